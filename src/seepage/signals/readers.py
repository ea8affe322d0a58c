"""Turn what a model answers into one number a record: margin, residual, modified entropy, correctness."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import InputError
from seepage.records import Records
from seepage.spec import Access, Task
from seepage.targets import Guarded
from seepage.targets.protocol import Target

__all__ = [
    "READERS",
    "margin",
    "modified_entropy",
    "read_signals",
    "signals_of_predictions",
    "signals_of_scores",
]

READERS: dict[str, tuple[Task, ...]] = {
    "margin": (Task.CLASSIFICATION,),
    "modified-entropy": (Task.CLASSIFICATION,),
    "correct": (Task.CLASSIFICATION,),
    "residual": (Task.REGRESSION,),
    "gradient-norm": (Task.CLASSIFICATION, Task.REGRESSION),
}


_LABEL_LOOK = 500
_GRADIENT = "gradient-norm"


def class_index(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return for each label its column in `classes`, or -1 for a label the model has never seen."""
    order = np.argsort(classes, kind="stable")
    position = np.clip(np.searchsorted(classes[order], y), 0, len(classes) - 1)
    column = order[position]
    return np.where(classes[column] == y, column, -1)


def _true_class(scores: NDArray[Any], column: NDArray[np.intp]) -> NDArray[np.float64]:
    if scores.shape[-1] == 2:
        picked = np.where(column == 1, scores[..., 1], scores[..., 0]).astype(np.float64, copy=False)
    else:
        picked = scores[..., np.arange(len(column)), np.maximum(column, 0)].astype(np.float64, copy=False)
    return picked if (column >= 0).all() else np.where(column >= 0, picked, 0.0)


def margin(scores: NDArray[Any], column: NDArray[np.intp], *, floor: float) -> NDArray[np.float32]:
    """Return log p_y − log Σ_{j≠y} p_j, each side clamped at `floor` (Carlini et al. 2022, §VI-A).

    Parameters
    ----------
    scores : (…, n, C) class probabilities, of one model or a stack of models.
    column : (n,) column of the true class, -1 where the model has no such class.
    floor : smallest probability told apart from zero; depends on the kind of model.

    Examples
    --------
    >>> margin(np.array([[0.8, 0.2]]), np.array([0]), floor=1e-7).round(3)
    array([1.386], dtype=float32)
    """
    true = _true_class(scores, column)
    # two columns are added faster one to the other than along an axis of length two
    others = (
        np.add(scores[..., 0], scores[..., 1], dtype=np.float64)
        if scores.shape[-1] == 2
        else scores.sum(axis=-1, dtype=np.float64)
    )
    others -= true
    for side in (true, others):
        np.clip(side, floor, 1.0, out=side)
        np.log(side, out=side)
    true -= others
    value: NDArray[np.float32] = true.astype(np.float32)
    return value


def modified_entropy(scores: NDArray[Any], column: NDArray[np.intp], *, floor: float) -> NDArray[np.float32]:
    """Return −(1 − p_y) log p_y − Σ_{j≠y} p_j log(1 − p_j) (Song & Mittal 2021, eq. 7); low for members."""
    p = np.clip(scores.astype(np.float64), floor, 1.0 - floor)
    true = np.clip(_true_class(scores, column), floor, 1.0 - floor)
    others = -(p * np.log1p(-p)).sum(axis=-1)
    others += np.where(column >= 0, true * np.log1p(-true), 0.0)
    value: NDArray[np.float32] = (others - (1.0 - true) * np.log(true)).astype(np.float32)
    return value


def read_signals(
    target: Target, records: Records, readers: Iterable[str], *, floor: float
) -> dict[str, NDArray[np.float32]]:
    """Read each signal of `target` on `records` once.

    Parameters
    ----------
    target : the model; scores are asked for once, labels only when no reader needs scores.
    records : with outcomes `y`.
    readers : names from READERS. "gradient-norm" needs WEIGHTS; of models that are no torch module it is NaN.
    floor : see `margin`.

    Returns
    -------
    reader name → (n,) float32.

    Raises
    ------
    InputError
        For an unknown reader, records without outcomes, or a reader that does not fit the task.
    """
    wanted = list(dict.fromkeys(readers))
    for name in wanted:
        if name not in READERS:
            raise InputError(f"unknown reader {name!r}. Known: {', '.join(READERS)}.")
        if target.task not in READERS[name]:
            raise InputError(f"reader {name!r} does not fit a {target.task.value} model.")
    if not wanted:
        return {}
    if records.y is None:
        raise InputError("the records have no outcome y, and membership signals compare the model's answer with it.")
    if _GRADIENT in wanted:
        others = [name for name in wanted if name != _GRADIENT]
        return {**read_signals(target, records, others, floor=floor), _GRADIENT: _gradient_norm(target, records)}
    y = np.asarray(records.y)
    if target.task is Task.REGRESSION:
        try:
            truth = y.astype(np.float64)
        except ValueError:
            seen = next(v for v in y if not _is_number(v))
            raise InputError(f"a regression outcome must be a number (got {seen!r}).") from None
        return signals_of_predictions(np.asarray(target.scores(records.x)), truth)
    if wanted == ["correct"]:
        return {"correct": (np.asarray(target.labels(records.x)) == y).astype(np.float32)}
    scores = np.asarray(target.scores(records.x))
    assert target.classes is not None
    column = class_index(y, np.asarray(target.classes))
    out = signals_of_scores(scores, column, wanted, floor=floor)
    if "correct" in wanted:
        out["correct"] = _correct(target, records, scores, column)
    return out


def signals_of_scores(
    scores: NDArray[Any], column: NDArray[np.intp], readers: Iterable[str], *, floor: float
) -> dict[str, NDArray[np.float32]]:
    """Read classification signals off class probabilities; a label is the class of the top score.

    Parameters
    ----------
    scores : (…, n, C), of one model or a stack of models.
    column : (n,) column of the true class, -1 where there is none.

    Returns
    -------
    reader name → (…, n) float32.
    """
    out: dict[str, NDArray[np.float32]] = {}
    for name in readers:
        if name == "margin":
            out[name] = margin(scores, column, floor=floor)
        elif name == "modified-entropy":
            out[name] = modified_entropy(scores, column, floor=floor)
        elif name == "correct":
            out[name] = (scores.argmax(axis=-1) == column).astype(np.float32)
    return out


def signals_of_predictions(predictions: NDArray[Any], truth: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """Return the signed residual y − prediction of (…, n) predictions."""
    return {"residual": (truth - np.asarray(predictions, dtype=np.float64)).astype(np.float32)}


def _gradient_norm(target: Target, records: Records) -> NDArray[np.float32]:
    if target.kind != "torch":
        return np.full(records.n, np.nan, dtype=np.float32)
    from seepage.signals.torch_gradients import gradient_norms

    y, classes = np.asarray(records.y), target.classes
    outcome = y.astype(np.float64) if classes is None else class_index(y, np.asarray(classes))
    n_classes = 0 if classes is None else len(classes)
    return gradient_norms(target.inside(), records.x, outcome, task=target.task, n_classes=n_classes)


def _correct(target: Target, records: Records, scores: NDArray[Any], column: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return whether the label given is right: the top score's where a first look shows that labels follow scores.

    They do not for every model (a support vector machine with calibrated scores, a moved threshold); such a model is
    asked for its labels too. The look is the auditor's and counts as no query of the adversary; only fitted
    estimators can differ.
    """
    right: NDArray[np.bool_] = scores.argmax(axis=1) == column
    if target.kind == "estimator" and isinstance(target, Guarded):
        top = np.asarray(target.classes)[scores.argmax(axis=1)]
        some = np.arange(min(records.n, _LABEL_LOOK))
        if (np.asarray(target.under(Access.LABELS).labels(records.take(some).x)) != top[some]).any():
            right = np.asarray(target.labels(records.x)) == np.asarray(records.y)
    return right.astype(np.float32)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
