"""Small nets that imitate a target from its labels, several at once in numpy, with the slopes of their answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Surrogates", "imitate"]

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

_HIDDEN, _BATCH, _RATE, _DECAY = 32, 128, 0.01, 1e-3
_ROWS_A_TIME = 4_000


@dataclass(frozen=True)
class Surrogates:
    """S nets with one hidden layer of H tanh units: D inputs, C classes.

    Parameters
    ----------
    w1, b1, w2, b2 : (S, D, H), (S, 1, H), (S, H, C), (S, 1, C).
    """

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats

    def some(self, which: slice) -> Surrogates:
        """Return some of the nets."""
        return Surrogates(self.w1[which], self.b1[which], self.w2[which], self.b2[which])

    def log_probability(self, z: Floats, column: Index) -> Floats:
        """Return the mean over nets of log p_y of (m, D) rows, (m,)."""
        parts = [
            _log_softmax(self._hidden(z[part]) @ self.w2 + self.b2)[:, np.arange(len(z[part])), column[part]].mean(
                axis=0
            )
            for part in _parts(len(z))
        ]
        return np.concatenate(parts)

    def slope(self, z: Floats, column: Index) -> Floats:
        """Return the gradient of that mean with respect to z, (m, D)."""
        out = np.empty_like(z)
        for part in _parts(len(z)):
            hidden = self._hidden(z[part])
            back = -np.exp(_log_softmax(hidden @ self.w2 + self.b2))
            back[:, np.arange(len(z[part])), column[part]] += 1.0
            inner = (back @ self.w2.transpose(0, 2, 1)) * (1.0 - hidden**2)
            out[part] = (inner @ self.w1.transpose(0, 2, 1)).mean(axis=0)
        return out

    def _hidden(self, z: Floats) -> Floats:
        return np.asarray(np.tanh(z @ self.w1 + self.b1))


def imitate(z: Floats, column: Index, n_classes: int, *, nets: int, steps: int, rng: np.random.Generator) -> Surrogates:
    """Train `nets` nets on (n, D) rows and the classes the target gave them, each on a random half of the rows.

    Cross-entropy by Adam (Kingma & Ba 2015) on batches of at most 128 rows, with weight decay.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 2))
    >>> found = imitate(z, (z[:, 0] > 0).astype(np.intp), 2, nets=3, steps=100, rng=rng)
    >>> bool(np.exp(found.log_probability(np.array([[2.0, 0.0]]), np.array([1])))[0] > 0.9)
    True
    """
    n, width = z.shape
    half = max(1, n // 2)
    own = np.stack([rng.permutation(n)[:half] for _ in range(nets)])
    weights = [
        rng.normal(size=(nets, width, _HIDDEN)) / np.sqrt(width),
        np.zeros((nets, 1, _HIDDEN)),
        rng.normal(size=(nets, _HIDDEN, n_classes)) / np.sqrt(_HIDDEN),
        np.zeros((nets, 1, n_classes)),
    ]
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    size = min(_BATCH, half)
    for step in range(1, steps + 1):
        rows = np.take_along_axis(own, rng.integers(half, size=(nets, size)), axis=1)
        x = z[rows]
        hidden = np.tanh(x @ weights[0] + weights[1])
        error = np.exp(_log_softmax(hidden @ weights[2] + weights[3]))
        np.put_along_axis(
            error, column[rows][:, :, None], np.take_along_axis(error, column[rows][:, :, None], axis=2) - 1.0, axis=2
        )
        error /= size
        inner = (error @ weights[2].transpose(0, 2, 1)) * (1.0 - hidden**2)
        slopes = [
            x.transpose(0, 2, 1) @ inner + _DECAY * weights[0],
            inner.sum(axis=1, keepdims=True),
            hidden.transpose(0, 2, 1) @ error + _DECAY * weights[2],
            error.sum(axis=1, keepdims=True),
        ]
        for place, slope in enumerate(slopes):
            first[place] = 0.9 * first[place] + 0.1 * slope
            second[place] = 0.999 * second[place] + 0.001 * slope**2
            moved = first[place] / (1.0 - 0.9**step)
            weights[place] = weights[place] - _RATE * moved / (np.sqrt(second[place] / (1.0 - 0.999**step)) + 1e-8)
    return Surrogates(*weights)


def _parts(n: int) -> list[slice]:
    return [slice(start, min(start + _ROWS_A_TIME, n)) for start in range(0, n, _ROWS_A_TIME)]


def _log_softmax(raw: Floats) -> Floats:
    shifted = raw - raw.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
