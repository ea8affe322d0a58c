"""Who took part: attacks on membership, one a file."""

from seepage.attacks.membership.attack_r import AttackR as AttackR
from seepage.attacks.membership.base import BASE as BASE
from seepage.attacks.membership.bavaria import BaVarIA as BaVarIA
from seepage.attacks.membership.boundary import Boundary as Boundary
from seepage.attacks.membership.calibration import Calibration as Calibration
from seepage.attacks.membership.entropy import ModifiedEntropy as ModifiedEntropy
from seepage.attacks.membership.gap import Gap as Gap
from seepage.attacks.membership.gradient import GradientNorm as GradientNorm
from seepage.attacks.membership.lira import LiRA as LiRA
from seepage.attacks.membership.loss import Loss as Loss
from seepage.attacks.membership.noise import NoiseRobustness as NoiseRobustness
from seepage.attacks.membership.quantile import Quantile as Quantile
from seepage.attacks.membership.rmia import RMIA as RMIA
from seepage.attacks.membership.structural import Structural as Structural
from seepage.attacks.membership.transfer import Transfer as Transfer
