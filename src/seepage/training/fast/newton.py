"""Logistic regression for many models at once: in step with scikit-learn's solver, or by Newton to the minimum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.training.fast.linear import AffineRows, Array, LinearRows, OwnRows, SharedRows, rows_of_stack
from seepage.training.fast.newton_steps import Problem, fit_all, link
from seepage.training.fast.protocol import Stack
from seepage.training.fast.quasi_newton import descend

__all__ = ["LogisticTrainer", "trainer_for"]

_TIGHT = 1e-6
"""At this tolerance and below the solver's answer is the minimum, which Newton's method reaches sooner."""
_TO_THE_END = 1e-8
_MANY_STEPS = 10_000
_NEWTON_WIDTH = 150
"""Columns beyond which the curvature costs more than it saves."""
_MIB = 2**20
_STACK_MIB = 128.0
_CLASSES = 8
_NEWTON_CLASSES = 16
"""With more classes one model's own products keep the processor busy and the rows outside it are wasted work."""
_WIDTH = 2000


def trainer_for(estimator: Any, prefix: str) -> LogisticTrainer | str:
    """Return the trainer of a `LogisticRegression`, or why there is none.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> trainer_for(LogisticRegression(solver="liblinear"), "")
    'liblinear penalises the intercept too and stops by its own rule'
    """
    if estimator.solver == "liblinear":
        return "liblinear penalises the intercept too and stops by its own rule"
    penalty = estimator.penalty
    if penalty not in ("deprecated", "l2", None):
        return f"the penalty {penalty!r} has corners, where neither Newton's method nor L-BFGS applies"
    if penalty is not None and estimator.l1_ratio not in (0, None):
        return f"l1_ratio={estimator.l1_ratio!r} has corners, where neither Newton's method nor L-BFGS applies"
    if estimator.dual:
        return "the dual problem is solved one by one"
    if getattr(estimator, "multi_class", "auto") not in ("auto", "deprecated"):
        return f"multi_class={estimator.multi_class!r} is trained one by one"
    if hasattr(estimator, "multi_class") and estimator.solver == "newton-cholesky":
        return "newton-cholesky treats more than two classes one against the rest in some versions of scikit-learn"
    if estimator.class_weight not in (None, "balanced"):
        return "class weights given by label are applied one by one"
    if not estimator.tol >= 0.0 or not estimator.max_iter >= 1 or not estimator.C > 0.0:
        return f"tol={estimator.tol!r}, max_iter={estimator.max_iter!r} or C={estimator.C!r} is out of range"
    if estimator.solver != "lbfgs" and estimator.tol > _TIGHT:
        return f"{estimator.solver} with tol={estimator.tol:g} stops short of the minimum by its own rule"
    strength = 0.0 if penalty is None or np.isinf(estimator.C) else 1.0 / float(estimator.C)
    follows = estimator.solver == "lbfgs"
    return LogisticTrainer(
        strength,
        bool(estimator.fit_intercept),
        estimator.class_weight == "balanced",
        float(estimator.tol) if follows else _TO_THE_END,
        int(estimator.max_iter) if follows else _MANY_STEPS,
    )


@final
@dataclass(frozen=True)
class LogisticTrainer:
    """Fit logistic regressions, of two classes or more, in one stack.

    scikit-learn's default tolerance (1e-4) leaves models up to 0.02 in probability from their minimum. Where the
    recipe has such a tolerance, every model therefore takes the very steps of scikit-learn's solver (L-BFGS) and stops
    where it stops; where it asks for the minimum (tolerance 1e-6 or less, whatever the solver), Newton's method goes
    there.

    Parameters
    ----------
    strength : 1 / C; 0 without a penalty. The intercept is not penalised.
    intercept : whether there is one.
    balanced : whether each class weighs the same in all.
    tol, max_iter : when L-BFGS stops.
    """

    strength: float
    intercept: bool
    balanced: bool
    tol: float
    max_iter: int

    name: ClassVar[str] = "logistic"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "all at once (logistic regression)"
    tolerance: ClassVar[float | None] = 1e-3
    floor: ClassVar[float] = 1e-7
    takes_scaled_rows: ClassVar[bool] = True

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """As many as fit in 128 MiB with their scores and the solver's memory."""
        scores = 1 if n_classes <= 2 else n_classes
        return max(1, min(256, int(_STACK_MIB * _MIB / (8 * scores * (8 * n + 24 * (width + 1))))))

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (k, N, C) probabilities.

        Raises
        ------
        RecipeError
            When there are too many classes or columns for this to be faster, a model has one class only, or a model
            has no minimum.
        """
        if stack.n_classes < 2:
            raise RecipeError("a model has members of one class only")
        most = _CLASSES if self.tol > _TIGHT else _NEWTON_CLASSES
        if stack.n_classes > most:
            raise RecipeError(f"with {stack.n_classes} classes (more than {most}) one model at a time is as fast")
        if int(stack.x.shape[-1]) > _WIDTH:
            raise RecipeError(f"with more than {_WIDTH} columns one model at a time is as fast")
        binary = stack.n_classes == 2
        target = (stack.y == (np.array([[1]]) if binary else np.arange(stack.n_classes)[:, None])).astype(np.float64)
        sign = 1.0 - 2.0 * target[0] if binary else np.ones(len(stack.y))
        rows = rows_of_stack(stack, sign, intercept=self.intercept)
        weights = self._weights(stack)
        eta = rows.read(self._fitted(rows, target, weights))
        if not np.isfinite(eta).all():
            raise RecipeError("a model's scores are not finite")
        probability = link(eta)
        if binary:
            probability = np.concatenate([1.0 - probability, probability], axis=1)
        yield probability.transpose(0, 2, 1)

    def _fitted(self, rows: SharedRows | AffineRows | OwnRows, target: Array, weights: Array) -> Array:
        no_table = isinstance(rows, OwnRows) or (isinstance(rows, AffineRows) and not self.intercept)
        if self.tol > _TIGHT or rows.width > _NEWTON_WIDTH or no_table:
            return self._steps(rows, target, weights)
        return self._minimum(rows, target, weights)

    def _weights(self, stack: Stack) -> Array:
        weights = stack.members.astype(np.float64)
        if self.balanced:
            of_class = (stack.y == np.arange(stack.n_classes)[:, None]).astype(np.float64)
            each = weights @ of_class.T
            weights *= (weights.sum(axis=1, keepdims=True) / (stack.n_classes * each)) @ of_class
        return weights

    def _steps(self, rows: LinearRows, target: Array, weights: Array) -> Array:
        total = weights.sum(axis=1, keepdims=True)
        penalty = np.repeat(self.strength / total, rows.width, axis=1)
        if self.intercept:
            penalty[:, -1] = 0.0
        return descend(rows, target, weights / total, penalty, tol=self.tol, max_iter=self.max_iter)[0]

    def _minimum(self, rows: SharedRows | AffineRows | OwnRows, target: Array, weights: Array) -> Array:
        assert not isinstance(rows, OwnRows)
        table = rows.table if isinstance(rows, AffineRows) else rows
        penalty = np.full(rows.width, self.strength)
        if self.intercept:
            penalty[-1] = 0.0
        x = table.x[: weights.shape[1]]
        if isinstance(rows, SharedRows):
            return fit_all(Problem(x, target, weights, penalty))
        # in the table's coordinates β = scale · w, so that the penalty on w is one on β / scale
        scale = np.concatenate([rows.scale, np.ones((len(weights), 1))], axis=1)
        coefficients = fit_all(Problem(x, target, weights, penalty / scale**2))
        coefficients /= scale[:, None, :]
        coefficients[:, :, -1] -= np.einsum("kcd,kd->kc", coefficients[:, :, :-1], rows.shift)
        return coefficients
