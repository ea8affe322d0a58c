"""Which members' losses moved most over training: a ranking of records at risk that needs no shadow model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.membership.loss_history import loss_history
from seepage.attacks.protocol import Scene, ShadowTable
from seepage.errors import InputError
from seepage.evidence import Measures
from seepage.spec import Access, AuditSpec, Needs, Task, closure

__all__ = ["LossTrace", "vulnerability"]

_TOP = {"1_percent": 0.01, "5_percent": 0.05}
_OWN_VARIANCE_FROM = 32


@dataclass(frozen=True)
class LossTrace:
    """Interquartile range of each member's loss over the epochs of training (LT-IQR).

    A record that was hard and is now easy has a loss that fell late and far: those are the ones that attacks with
    shadow models find. Records are ranked by it; a value says nothing by itself and there is no threshold.

    This is the auditor's look at training, not an attack. Where shadow models were trained anyway, the share of the
    top 1 % and 5 % that is also in the top of LiRA's vulnerability is given beside what chance gives.

    Parameters
    ----------
    low, high : the two quantiles over epochs whose distance is taken.

    References
    ----------
    Pollock, Shilov, Dodd, de Montjoye (2025), Free Record-Level Privacy Risk Evaluation Through Artifact-Based Methods,
    arXiv 2411.05743. We differ: stages of boosted models count as epochs; where no trace was recorded, a perceptron is
    trained once more; squared residuals for regression.

    Examples
    --------
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from seepage.testing import toy_auditor_scene
    >>> boosted = GradientBoostingClassifier(random_state=0)
    >>> scene = toy_auditor_scene("classification", leaky=True, seed=0, model=boosted)
    >>> LossTrace().run(scene).aggregates["epochs"]
    100
    """

    name: ClassVar[str] = "membership/loss-trace"
    question: ClassVar[str] = "membership"
    title: ClassVar[str] = "Spread of each member's loss over training (LT-IQR)"
    paper: ClassVar[str] = "Pollock et al. 2025, arXiv 2411.05743"

    low: float = 0.25
    high: float = 0.75

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise InputError(f"{self.name} needs 0 ≤ low < high ≤ 1 (got low={self.low!r}, high={self.high!r}).")

    def needs(self, spec: AuditSpec) -> Needs:
        """The auditor's own view with losses over epochs; shadow models only to be compared with."""
        scores = Access.SCORES in closure(spec.access) or spec.task is Task.REGRESSION
        reader = "residual" if spec.task is Task.REGRESSION else "margin"
        return Needs(
            access=Access.WEIGHTS,
            auditor=True,
            trace=True,
            readers=(reader,) if scores else (),
            shadows_if_any=True,
        )

    def run(self, scene: Scene) -> Measures:
        """Return the range of each member's loss, and how it agrees with LiRA where there are shadow models.

        Raises
        ------
        InputError
            When the scene holds no auditor's view, or no losses over epochs can be had.
        """
        view = scene.auditor
        if view is None:
            raise InputError(f"{self.name} needs the auditor's view: the model and its training rows.")
        if view.split.members.y is None:
            raise InputError(f"{self.name} needs the members' outcomes y.")
        history = loss_history(view, scene.seed)
        bottom, top = np.quantile(history.losses, [self.low, self.high], axis=0)
        spread = top - bottom
        aggregates: dict[str, float | int | None] = {
            "epochs": len(history.losses),
            "median": float(np.median(spread)),
            "top_5_percent_from": float(np.quantile(spread, 0.95)),
            "top_1_percent_from": float(np.quantile(spread, 0.99)),
        }
        notes = [f"Losses over epochs: {history.source}.", "It ranks records; no value of it is a verdict."]
        ids = view.split.members.ids
        if scene.shadows is not None and scene.shadows.arrays:
            aggregates |= _agreement(spread, ids, scene, scene.shadows)
        return Measures(aggregates, {"spread of the loss": spread}, ids, (), tuple(notes))


def vulnerability(table: ShadowTable) -> NDArray[np.float64]:
    """Return how surely LiRA's Gaussians tell each record in from out: the chance that a model with it says more.

    Variances are each record's own from 32 models on a side, below that those of all records together. Shape (n,);
    NaN where a side has no model.

    Examples
    --------
    >>> from seepage.testing import toy_leaky_scene
    >>> float(np.median(vulnerability(toy_leaky_scene("regression", seed=0).shadows))) > 0.5
    True
    """
    from scipy.special import ndtr

    signal = np.asarray(next(iter(table.arrays.values())), dtype=np.float64)
    if "residual" in table.arrays:
        signal = -np.abs(signal)
    means, variances = [], []
    for side in (table.mask, ~table.mask):
        count = side.sum(axis=0)
        mean = np.where(count > 0, (signal * side).sum(axis=0) / np.maximum(count, 1), np.nan)
        square = (((signal - np.nan_to_num(mean)) ** 2) * side).sum(axis=0)
        pooled = square.sum() / max(float((count - 1).clip(0).sum()), 1.0)
        own = square / np.maximum(count - 1, 1)
        means.append(mean)
        variances.append(np.where(count >= _OWN_VARIANCE_FROM, own, pooled))
    apart: NDArray[np.float64] = ndtr((means[0] - means[1]) / np.sqrt(variances[0] + variances[1] + 1e-12))
    return apart


def _agreement(
    spread: NDArray[np.float64], ids: NDArray[Any], scene: Scene, table: ShadowTable
) -> dict[str, float | int | None]:
    """Compare the top of both rankings on the members that both have."""
    place = {str(name): at for at, name in enumerate(ids)}
    rows = np.flatnonzero(scene.truth)
    own = np.array([place.get(str(name), -1) for name in scene.ids[rows]], dtype=np.intp)
    risk = vulnerability(table)[rows]
    both = (own >= 0) & ~np.isnan(risk)
    ranked, risk = spread[own[both]], risk[both]
    n = len(risk)
    found: dict[str, float | int | None] = {"compared_with_lira": n}
    for word, share in _TOP.items():
        k = int(share * n)
        if k < 1:
            found |= {f"precision_at_{word}": None, f"chance_at_{word}": None}
            continue
        first, second = (set(np.argsort(-values, kind="stable")[:k].tolist()) for values in (ranked, risk))
        found |= {f"precision_at_{word}": len(first & second) / k, f"chance_at_{word}": k / n}
    return found
