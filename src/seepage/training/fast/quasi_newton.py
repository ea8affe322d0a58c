"""Follow scikit-learn's own solver (L-BFGS) for many logistic regressions in step, so that all stop where it stops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seepage.training.fast.line_search import CURVATURE, DECREASE, Search
from seepage.training.fast.linear import Array, LinearRows

__all__ = ["descend", "loss_and_residual"]

_MEMORY = 10
_EVALUATIONS = 50
_EPS = float(np.finfo(np.float64).eps)
_FLAT = 64.0 * _EPS
_EXP_SAFE = 700.0


def loss_and_residual(eta: Array, target: Array, weights: Array) -> tuple[Array, Array]:
    """Return the weighted loss (k,) and its derivative by the scores, (k, C', n).

    Parameters
    ----------
    eta : (k, C', n) scores; for C' = 1 log odds against the record's own class, else softmax.
    target : (C', n) 0 or 1; not looked at for C' = 1.
    weights : (k, n).

    Examples
    --------
    >>> loss, residual = loss_and_residual(np.zeros((1, 1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    >>> loss.round(3), residual.ravel()
    (array([0.693]), array([0.5]))
    """
    if eta.shape[1] == 1:
        against = eta[:, 0]
        if against.max() < _EXP_SAFE:
            residual = np.exp(against)
            loss = np.log1p(residual)
            residual /= residual + 1.0
        else:
            residual, loss = expit(against), np.logaddexp(0.0, against)
        residual *= weights
        return _rowwise(loss, weights), residual[:, None, :]
    top = eta.max(axis=1, keepdims=True)
    residual = eta - top
    picked = np.einsum("kcn,cn->kn", residual, target)
    np.exp(residual, out=residual)
    total = residual.sum(axis=1, keepdims=True)
    residual /= total
    residual -= target
    residual *= weights[:, None, :]
    return _rowwise(np.log(total[:, 0]) - picked, weights), residual


@dataclass(frozen=True)
class _State:
    """Models still under way: coefficients, scores, values, gradients, and what their steps have taught."""

    models: NDArray[np.intp]
    rows: LinearRows
    weights: Array
    penalty: Array
    at: Array
    eta: Array
    value: Array
    gradient: Array
    steps: Array
    bends: Array
    rates: Array
    theta: Array
    count: NDArray[np.intp]

    def keep(self, at: NDArray[np.bool_]) -> _State:
        """Return the state of some of the models."""
        return replace(
            self,
            models=self.models[at],
            rows=self.rows.keep(at),
            weights=self.weights[at],
            penalty=self.penalty[at],
            at=self.at[at],
            eta=self.eta[at],
            value=self.value[at],
            gradient=self.gradient[at],
            steps=self.steps[:, at],
            bends=self.bends[:, at],
            rates=self.rates[:, at],
            theta=self.theta[at],
            count=self.count[at],
        )


def descend(
    rows: LinearRows, target: Array, weights: Array, penalty: Array, *, tol: float, max_iter: int
) -> tuple[Array, NDArray[np.intp]]:
    """Minimise Σ s_i loss_i + ½ Σ_j q_j β_j² for every model as scipy's L-BFGS-B does, from zero.

    The same directions (memory 10, Byrd, Lu, Nocedal & Zhu 1995), line search and tests for stopping, so that a model
    which the solver leaves short of its minimum is left there here too. Only the scores are computed for all models
    in one product.

    Parameters
    ----------
    rows : q coefficients a score.
        For two classes their sign is such that a score speaks against the record's own class.
    target : (C', n) 0 or 1.
    weights : (k, n), summing to 1 in each model.
    penalty : (k, q).
    tol : largest entry of the gradient at which a model stops.
    max_iter : iterations after which it stops anyway.

    Returns
    -------
    Coefficients (k, C', q) and the iterations taken (k,).
    """
    k, c, q = len(weights), len(target), rows.width
    at, eta = np.zeros((k, c, q)), np.zeros((k, c, weights.shape[1]))
    value, residual = loss_and_residual(eta, target, weights)
    memory = (np.zeros((_MEMORY, k, c, q)), np.zeros((_MEMORY, k, c, q)), np.zeros((_MEMORY, k)))
    state = _State(
        np.arange(k), rows, weights, penalty, at, eta, value, rows.back(residual), *memory, np.ones(k), np.zeros(k, int)
    )
    out, taken = np.zeros((k, c, q)), np.zeros(k, dtype=np.intp)
    done = np.abs(state.gradient).max(axis=(1, 2)) <= tol
    slot = 0
    while True:
        if done.any():
            out[state.models[done]], taken[state.models[done]] = state.at[done], state.count[done]
            if done.all():
                return out, taken
            state = state.keep(~done)
        state, stopped = _iterate(state, target, slot, tol)
        done = stopped | (state.count >= max_iter)
        slot += 1


def _iterate(state: _State, target: Array, slot: int, tol: float) -> tuple[_State, NDArray[np.bool_]]:
    """Take one step in every model; return the new state and which models stop there."""
    direction = _direction(state, slot)
    slope = _dot(state.gradient, direction)
    shift = state.rows.forward(direction)
    first = np.minimum(1.0 / np.sqrt(_dot(direction, direction)), 1e10)
    step = np.where(state.count == 0, first, 1.0)
    fits, step, eta, value, residual = _searched(state, target, direction, shift, slope, step)
    at = state.at + step[:, None, None] * direction
    gradient = state.rows.back(residual)
    gradient += state.penalty[:, None, :] * at
    change = gradient - state.gradient
    bend = (_dot(gradient, direction) - slope) * step
    learns = fits & (bend > -_EPS * slope * step)
    rates, theta = state.rates, state.theta
    state.steps[slot % _MEMORY] = step[:, None, None] * direction
    state.bends[slot % _MEMORY] = change
    rates[slot % _MEMORY] = np.where(learns, 1.0 / np.where(learns, bend, 1.0), 0.0)
    theta = np.where(learns, _dot(change, change) / np.where(learns, bend, 1.0), theta)
    had_memory = (rates != 0.0).any(axis=0)
    if not fits.all():
        # a search that fails forgets what was learnt and goes down the gradient; the second failure ends the model
        rates[:, ~fits] = 0.0
        theta = np.where(fits, theta, 1.0)
        stay = ~fits
        at[stay], eta[stay], gradient[stay] = state.at[stay], state.eta[stay], state.gradient[stay]
        value = np.where(fits, value, state.value)
    flat = state.value - value <= _FLAT * np.maximum(np.maximum(np.abs(state.value), np.abs(value)), 1.0)
    stopped = (fits & (flat | (np.abs(gradient).max(axis=(1, 2)) <= tol))) | (~fits & ~had_memory)
    count = state.count + fits
    return replace(state, at=at, eta=eta, value=value, gradient=gradient, theta=theta, count=count), stopped


def _direction(state: _State, slot: int) -> Array:
    """Return −H g by the two-loop recursion over the memory, newest first (Nocedal & Wright 2006, algorithm 7.4)."""
    held = [(slot - 1 - back) % _MEMORY for back in range(min(slot, _MEMORY))]
    direction = -state.gradient
    shares = []
    for i in held:
        share = state.rates[i] * _dot(state.steps[i], direction)
        shares.append(share)
        direction -= share[:, None, None] * state.bends[i]
    direction /= state.theta[:, None, None]
    for i, share in zip(reversed(held), reversed(shares), strict=True):
        share = share - state.rates[i] * _dot(state.bends[i], direction)
        direction += share[:, None, None] * state.steps[i]
    return direction


def _searched(
    state: _State, target: Array, direction: Array, shift: Array, slope: Array, step: Array
) -> tuple[NDArray[np.bool_], Array, Array, Array, Array]:
    """Search along the direction; most models take the first step, the others go on in a smaller stack."""
    pull, curve = state.penalty[:, None, :] * state.at, state.penalty[:, None, :] * direction
    along, bend, still = _dot(pull, direction), _dot(curve, direction), _dot(pull, state.at)

    def tried(which: NDArray[np.intp] | slice, t: Array) -> tuple[Array, Array, Array, Array]:
        eta = t[:, None, None] * shift[which]
        eta += state.eta[which]
        loss, residual = loss_and_residual(eta, target, state.weights[which])
        value = loss + 0.5 * (still[which] + 2.0 * t * along[which] + t**2 * bend[which])
        ahead = (
            _rowwise(residual.reshape(len(t), -1), shift[which].reshape(len(t), -1)) + along[which] + t * bend[which]
        )
        return eta, value, residual, ahead

    eta, value, residual, ahead = tried(slice(None), step)
    downhill = slope < 0.0
    good = (value <= state.value + DECREASE * step * slope) & (np.abs(ahead) <= -CURVATURE * slope) & downhill
    due = np.flatnonzero(~good & downhill)
    searches = {i: Search(float(state.value[i]), float(slope[i]), float(step[i])) for i in due.tolist()}
    fits = downhill.copy()
    for tries in range(_EVALUATIONS + 1):
        trial = np.array([searches[i].next(float(value[i]), float(ahead[i])) for i in due.tolist()])
        on = np.array([not searches[i].done for i in due.tolist()], dtype=bool)
        due, trial = due[on], trial[on]
        if not len(due):
            break
        if tries == _EVALUATIONS or not np.isfinite(trial).all():
            fits[due] = False
            break
        step[due] = trial
        eta[due], value[due], residual[due], ahead[due] = tried(due, trial)
    return fits, step, eta, value, residual


def _dot(a: Array, b: Array) -> Array:
    product: Array = np.einsum("kcp,kcp->k", a, b)
    return product


def _rowwise(a: Array, b: Array) -> Array:
    product: Array = np.matmul(a[:, None, :], b[:, :, None])[:, 0, 0]
    return product
