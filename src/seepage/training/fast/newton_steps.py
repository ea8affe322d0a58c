"""Newton steps for many logistic regressions on one table: conjugate gradients, one product for all models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seepage.errors import RecipeError
from seepage.training.fast.linear import Array

__all__ = ["Problem", "fit_all", "link"]

_STEPS = 40
"""Newton steps before a model is taken to have no finite solution."""
_POOLED_STEPS = 12
_INNER = 60
"""Conjugate gradient iterations within one step; a step cut short is still one downhill."""
_SHORTER = 40
_CLOSE = 1e-5
"""A step that moves no log odds by more is the last: what remains is smaller by the next power."""
_POOLED_CLOSE = 0.3


@dataclass(frozen=True)
class Problem:
    """k penalised logistic regressions on the same rows: minimise Σ s_i loss_i + ½ Σ_j q_j β_j².

    Parameters
    ----------
    x : (n, p) rows; an intercept is a column of ones.
    target : (C', n) 0 or 1; C' = 1 for two classes (one log odds), else the number of classes (softmax).
    weights : (k, n) weight of each row in each model, 0 outside.
    penalty : (p,) q of all models, or (k, p) of each.
    """

    x: Array
    target: Array
    weights: Array
    penalty: Array


@dataclass(frozen=True)
class _Whitened:
    """The rows in coordinates where the average model's curvature is the identity: x = white Lᵀ, β = L⁻ᵀ u."""

    white: Array
    lower: Array
    inverse: Array


def link(eta: Array) -> Array:
    """Return the probabilities (…, C', n) of scores (…, C', n): logistic for C' = 1, softmax else."""
    if eta.shape[-2] == 1:
        probability: Array = expit(eta)
        return probability
    shifted: Array = eta - eta.max(axis=-2, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=-2, keepdims=True)
    return shifted


def fit_all(problem: Problem) -> Array:
    """Return the coefficients (k, C', p) of every model at its minimum.

    The average of all models is fitted first. Its curvature preconditions the others and its solution starts them;
    each then takes Newton steps whose systems are solved by conjugate gradients (Nocedal & Wright 2006, algorithm
    7.1), shortened until the slope no longer turns uphill. Models that have arrived leave the stack.

    Raises
    ------
    RecipeError
        When a model has no finite minimum, or one so flat that it is not reached.

    Examples
    --------
    >>> x = np.array([[-1.0], [0.0], [0.0], [1.0]])
    >>> target = np.array([[0.0, 0.0, 1.0, 1.0]])
    >>> w = fit_all(Problem(x, target, np.ones((1, 4)), np.array([1.0])))[0, 0, 0]
    >>> bool(abs(w - 2 / (1 + np.exp(w))) < 1e-9)  # where the gradient is 0
    True
    """
    k, c, p = len(problem.weights), len(problem.target), problem.x.shape[1]
    beta, whitened = _pooled(problem)
    out = np.empty((k, c, p))
    stack = _State.begin(problem, whitened, np.broadcast_to(beta @ whitened.lower, (k, c, p)))
    for _ in range(_STEPS):
        arrived = stack.step()
        if arrived.any():
            out[stack.models[arrived]] = stack.u[arrived] @ whitened.inverse
            if arrived.all():
                return out
            stack = stack.keep(~arrived)
    raise RecipeError(f"a model did not reach its minimum in {_STEPS} Newton steps; it may have none")


def _pooled(problem: Problem) -> tuple[Array, _Whitened]:
    """Fit the average model; return its coefficients (C', p) and the coordinates its curvature gives."""
    c, p = len(problem.target), problem.x.shape[1]
    penalty = problem.penalty if problem.penalty.ndim == 1 else problem.penalty.mean(axis=0)
    average = Problem(problem.x, problem.target, problem.weights.mean(axis=0, keepdims=True), penalty)
    beta = np.zeros((1, c, p))
    for _ in range(_POOLED_STEPS):
        whitened = _whiten(average, beta[0])
        state = _State.begin(average, whitened, beta @ whitened.lower)
        state.step()
        beta = state.u @ whitened.inverse
        if state.moved[0] < _POOLED_CLOSE:
            break
    return beta[0], _whiten(average, beta[0])


def _whiten(problem: Problem, beta: Array) -> _Whitened:
    probability = link(beta @ problem.x.T)
    curvature = (probability * (1.0 - probability)).sum(axis=0) / max(1, len(probability) - 1)
    curvature = problem.weights[0] * np.maximum(curvature, 1e-4)
    gram = (problem.x * curvature[:, None]).T @ problem.x
    at = np.diag_indices_from(gram)
    gram[at] += problem.penalty
    gram[at] += 1e-10 * max(float(gram[at].max()), 1e-300)
    try:
        lower = np.linalg.cholesky(gram)
        inverse = np.linalg.inv(lower)
    except np.linalg.LinAlgError:
        raise RecipeError("the columns are too unequal in scale for Newton's method") from None
    return _Whitened(problem.x @ inverse.T, lower, inverse)


@dataclass
class _State:
    """Where the models of a stack are, in whitened coordinates; `moved` is the last step's largest change of score."""

    target: Array
    whitened: _Whitened
    models: NDArray[np.intp]
    u: Array
    eta: Array
    weights: Array
    penalty: Array
    each_penalty: bool
    moved: Array

    @classmethod
    def begin(cls, problem: Problem, whitened: _Whitened, u: Array) -> _State:
        """Place the models at u (k, C', p)."""
        k, c, p = u.shape
        each = problem.penalty.ndim == 2
        penalty = problem.penalty if each else (whitened.inverse * problem.penalty) @ whitened.inverse.T
        eta = (u.reshape(k * c, p) @ whitened.white.T).reshape(k, c, -1)
        weights = problem.weights[:, None, :]
        return cls(problem.target, whitened, np.arange(k), u, eta, weights, penalty, each, np.ones(k))

    def keep(self, at: NDArray[np.bool_]) -> _State:
        """Return the state of some of the models."""
        models, u, eta, weights = self.models[at], self.u[at], self.eta[at], self.weights[at]
        penalty = self.penalty[at] if self.each_penalty else self.penalty
        return _State(self.target, self.whitened, models, u, eta, weights, penalty, self.each_penalty, self.moved[at])

    def step(self) -> NDArray[np.bool_]:
        """Take one Newton step in every model and return which have arrived."""
        probability = link(self.eta)
        residual = probability - self.target
        residual *= self.weights
        pull = self._penalised(self.u)
        gradient = self._back(residual) + pull
        direction, shift, solved = self._direction(gradient, probability)
        curve = _dot(self._penalised(direction), direction)
        length = self._length(shift, _dot(gradient, direction), _dot(pull, direction), curve)
        self.u = self.u + length[:, None, None] * direction
        shift *= length[:, None, None]
        self.eta = self.eta + shift
        self.moved = np.abs(shift).max(axis=(1, 2))
        arrived: NDArray[np.bool_] = solved & (self.moved <= _CLOSE) & (length == 1.0)
        return arrived

    def _direction(self, gradient: Array, probability: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Solve H d = −g to a tolerance that shrinks as the steps do; return d, x d, and whether that was reached."""
        curvature = self.weights * probability
        if probability.shape[1] == 1:
            curvature *= 1.0 - probability
        rest = -gradient
        square = _dot(rest, rest)
        aim = np.clip(0.1 * self.moved, 1e-3, 0.1) ** 2 * square
        d, shift, search = np.zeros_like(rest), np.zeros_like(self.eta), rest.copy()
        for _ in range(_INNER):
            ahead = self._forward(search)
            bent = curvature * ahead
            if probability.shape[1] > 1:
                bent -= probability * bent.sum(axis=1, keepdims=True)
            product = self._back(bent) + self._penalised(search)
            steepness = _dot(search, product)
            goes_on = (square > aim) & (steepness > 0.0)
            rate = np.where(goes_on, square / np.where(goes_on, steepness, 1.0), 0.0)[:, None, None]
            d += rate * search
            ahead *= rate
            shift += ahead
            product *= rate
            rest -= product
            after = np.where(goes_on, _dot(rest, rest), square)
            search *= (after / np.where(square > 0.0, square, 1.0))[:, None, None]
            search += rest
            square = after
            if not (goes_on & (square > aim)).any():
                break
        return d, shift, square <= aim

    def _length(self, shift: Array, slope: Array, along: Array, curve: Array) -> Array:
        """Shorten steps until the slope along them is no longer steeply uphill."""
        length, due = np.ones(len(shift)), np.arange(len(shift))
        for _ in range(_SHORTER):
            t = length[due]
            residual = link(self.eta[due] + t[:, None, None] * shift[due]) - self.target
            residual *= self.weights[due]
            ahead = _dot(residual, shift[due]) + along[due] + t * curve[due]
            uphill = ahead > 0.25 * np.abs(slope[due])
            due, ahead = due[uphill], ahead[uphill]
            if not len(due):
                break
            length[due] *= np.clip(-slope[due] / (ahead - slope[due]), 0.1, 0.8)
        return length

    def _forward(self, u: Array) -> Array:
        k, c, p = u.shape
        return (u.reshape(k * c, p) @ self.whitened.white.T).reshape(k, c, -1)

    def _back(self, rows: Array) -> Array:
        k, c, n = rows.shape
        return (rows.reshape(k * c, n) @ self.whitened.white).reshape(k, c, -1)

    def _penalised(self, u: Array) -> Array:
        if not self.each_penalty:
            return u @ self.penalty
        beta = u @ self.whitened.inverse
        beta *= self.penalty[:, None, :]
        pulled: Array = beta @ self.whitened.inverse.T
        return pulled


def _dot(a: Array, b: Array) -> Array:
    product: Array = np.einsum("kcp,kcp->k", a, b)
    return product
