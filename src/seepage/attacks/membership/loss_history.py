"""The loss of each member after each epoch: the model's own stages, or one refit that stops after every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seepage.attacks.membership.checks.fitted import final_part, fitted_object, kinds
from seepage.attacks.membership.checks.generalisation import class_losses, residual_losses
from seepage.attacks.protocol import AuditorView
from seepage.errors import InputError
from seepage.records import Records
from seepage.spec import Task
from seepage.targets.protocol import Target
from seepage.training.seeding import fresh_copy

__all__ = ["LEAST_EPOCHS", "History", "check_trace", "lacks_history", "loss_history"]

LEAST_EPOCHS = 4
"""Epochs from which quartiles over epochs say something."""
_MOST_STAGES = 100
_MOST_EPOCHS = 300
_FLOOR = 1e-7
_BY_EPOCH = frozenset({"MLPClassifier", "MLPRegressor", "SGDClassifier", "SGDRegressor"})
_REMEDY = "record each member's loss after every epoch of training and give it as options.loss_trace (epochs × members)"


@dataclass(frozen=True)
class History:
    """Losses over training.

    Parameters
    ----------
    losses : (epochs, n) loss of each member after each epoch.
    source : where they come from, in words.
    """

    losses: NDArray[np.float64]
    source: str


def check_trace(trace: ArrayLike, n_members: int) -> NDArray[np.float64]:
    """Return a trace brought along as float64, if it is one.

    Raises
    ------
    InputError
        No numbers, another shape than (epochs, members), fewer than four epochs, or a value that is not finite.

    Examples
    --------
    >>> check_trace(np.ones((5, 3)), 3).shape
    (5, 3)
    """
    try:
        losses = np.asarray(trace, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"loss_trace must hold numbers (got {type(trace).__name__}).") from None
    if losses.ndim != 2 or losses.shape[1] != n_members:
        raise InputError(
            f"loss_trace must have one row an epoch and one column a member, (epochs, {n_members}) "
            f"(got shape {losses.shape}). Give the members' losses in the order of the members."
        )
    if len(losses) < LEAST_EPOCHS:
        raise InputError(f"loss_trace needs at least {LEAST_EPOCHS} epochs (got {len(losses)}).")
    if not np.isfinite(losses).all():
        raise InputError("loss_trace holds values that are not finite. Clip probabilities before the logarithm.")
    return losses


def lacks_history(target: Target | None, trace: Any) -> tuple[str, str] | None:
    """Return why no losses over epochs can be had, and what would help; None where they can.

    Parameters
    ----------
    target : the model as the auditor holds it, or None.
    trace : losses brought along, or None.
    """
    if trace is not None:
        return None
    model = None if target is None else fitted_object(target)
    if target is None or model is None:
        return "the fitted object is not at hand, so it cannot tell its epochs", _REMEDY
    last = _last(model)
    named = type(last).__name__
    if _stages(last, target.task) is not None:
        return None
    if kinds(last) & _BY_EPOCH:
        if not callable(getattr(last, "partial_fit", None)):
            return f"{named} with this solver has no epochs", _REMEDY
        if target.task is Task.CLASSIFICATION and not callable(getattr(last, "predict_proba", None)):
            return f"{named} with this loss gives no probabilities", _REMEDY
        return None
    return f"{named} cannot be asked for its state after each epoch", _REMEDY


def loss_history(view: AuditorView, seed: int) -> History:
    """Return the losses of the members over training.

    A trace brought along is taken as it is. A boosted model is asked for its own stages. A perceptron or a model
    trained by stochastic gradient descent is trained once more, epoch by epoch, on the members as the audited model's
    preprocessing prepares them: a model of the same making, not the audited one.

    Raises
    ------
    InputError
        Where there is none of these.
    """
    members = view.split.members
    if view.loss_trace is not None:
        return History(check_trace(view.loss_trace, members.n), "losses recorded while the audited model was trained")
    lacks = lacks_history(view.target, None)
    if lacks is not None:
        raise InputError(f"{lacks[0]}; {lacks[1]}.")
    part = final_part(fitted_object(view.target), members.x)
    if _stages(part.model, view.target.task) is not None:
        return History(_of_stages(part.model, part.rows, members, view.target.task), "the audited model's own stages")
    losses = _of_epochs(part.model, part.rows, members, view.target.task, seed)
    return History(losses, f"one model of the same making, trained for {len(losses)} epochs; not the audited one")


def _last(model: Any) -> Any:
    """Return the model at the end of pipelines and searches."""
    while True:
        names = kinds(model)
        if "Pipeline" in names:
            model = model.steps[-1][1]
        elif "BaseSearchCV" in names:
            model = model.best_estimator_
        else:
            return model


def _stages(model: Any, task: Task) -> Any:
    found = getattr(model, "staged_predict_proba" if task is Task.CLASSIFICATION else "staged_predict", None)
    return found if callable(found) else None


def _of_stages(model: Any, rows: Any, members: Records, task: Task) -> NDArray[np.float64]:
    every = [_loss(answers, members, model, task) for answers in _stages(model, task)(rows)]
    if len(every) < LEAST_EPOCHS:
        raise InputError(f"{type(model).__name__} has {len(every)} stages; at least {LEAST_EPOCHS} are needed.")
    kept = np.unique(np.linspace(0, len(every) - 1, min(len(every), _MOST_STAGES)).round().astype(int))
    return np.stack([every[i] for i in kept])


def _of_epochs(model: Any, rows: Any, members: Records, task: Task, seed: int) -> NDArray[np.float64]:
    fresh = fresh_copy(model, seed).set_params(early_stopping=False)
    epochs = max(LEAST_EPOCHS, min(int(np.max(getattr(model, "n_iter_", fresh.max_iter))), _MOST_EPOCHS))
    more = {"classes": np.asarray(model.classes_)} if task is Task.CLASSIFICATION else {}
    losses = []
    for _ in range(epochs):
        fresh.partial_fit(rows, members.y, **more)
        answers = fresh.predict_proba(rows) if task is Task.CLASSIFICATION else fresh.predict(rows)
        losses.append(_loss(answers, members, fresh, task))
    return np.stack(losses)


def _loss(answers: NDArray[Any], members: Records, model: Any, task: Task) -> NDArray[np.float64]:
    if task is Task.REGRESSION:
        return residual_losses(answers, np.asarray(members.y)).values
    return class_losses(answers, np.asarray(members.y), np.asarray(model.classes_), floor=_FLOOR).values
