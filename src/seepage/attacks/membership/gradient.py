"""The gradient-norm attack: a model that was trained on a record would hardly be moved by it again. White box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seepage.attacks.protocol import Scene
from seepage.evidence import Ranking
from seepage.spec import Access, AuditSpec, Needs

__all__ = ["GradientNorm"]

READER = "gradient-norm"
_SMALLEST = 1e-12


@dataclass(frozen=True)
class GradientNorm:
    """Rank records by the norm of their loss gradient in all parameters; small for members, who were fitted.

    With shadow models the norm is calibrated for difficulty, since some records move every model: the score is the mean
    of log(norm + c) over shadow models that were not trained on the record, less log(norm + c) of the target, where c
    is the mean norm outside. The constant keeps records that move no model from deciding by how little. Without shadow
    models, or where their gradients cannot be read, the norm itself ranks.

    The adversary holds the complete record with its outcome and the model's parameters; for the calibration also
    similar data and the training recipe.

    References
    ----------
    Nasr, Shokri, Houmansadr (2019), Comprehensive Privacy Analysis of Deep Learning, arXiv 1812.00910. Calibration:
    Watson, Guo, Cormode, Sablayrolles (2022), arXiv 2111.08440, eq. 4. We differ: the norm over all parameters instead
    of a classifier on gradients of each layer, and it is calibrated through log(norm + c).

    Examples
    --------
    >>> from seepage.testing import toy_leaky_scene
    >>> ranking = GradientNorm().run(toy_leaky_scene("regression", seed=0))
    >>> bool(ranking.scores[ranking.truth].mean() > ranking.scores[~ranking.truth].mean())
    True
    """

    name: ClassVar[str] = "membership/gradient-norm"
    question: ClassVar[str] = "membership"
    title: ClassVar[str] = "Membership by norm of the gradient"
    paper: ClassVar[str] = "Nasr et al. 2019, arXiv 1812.00910"

    def needs(self, spec: AuditSpec) -> Needs:
        """The gradients of a torch module; shadow models where there are some."""
        return Needs(access=Access.WEIGHTS, readers=(READER,), shadows_if_any=True)

    def run(self, scene: Scene) -> Ranking:
        """Return −log of each record's gradient norm, or how far the norm lies below its usual value."""
        norm = np.asarray(scene.signals[READER], dtype=np.float64)
        plain = -np.log(np.maximum(norm, _SMALLEST))
        table = scene.shadows
        if table is None or READER not in table.arrays:
            return Ranking(plain, scene.truth, scene.ids, scene.persons)
        others = np.asarray(table.arrays[READER], dtype=np.float64)
        outside = ~table.mask & np.isfinite(others)
        if not outside.any():
            note = "the shadow models' gradients could not be read: the norm is not calibrated"
            return Ranking(plain, scene.truth, scene.ids, scene.persons, notes=(note,))
        typical = max(float(others[outside].mean()), _SMALLEST)
        usual = np.log(np.maximum(np.where(outside, others, 0.0), 0.0) + typical)
        count = outside.sum(axis=0)
        total = np.where(outside, usual, 0.0).sum(axis=0)
        expected = np.where(count > 0, total / np.maximum(count, 1), total.sum() / count.sum())
        scores = expected - np.log(np.maximum(norm, 0.0) + typical)
        return Ranking(scores, scene.truth, scene.ids, scene.persons, variants={"without calibration": plain})
