"""Class probabilities of many models whose log odds are linear in shared columns: one product reads a block of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["block_size", "probabilities"]

_CACHE_BYTES, _MOST_BYTES = 2**19, 2**25
"""Scores made at once: better still in the cache when signals are read off them, and never more than the second."""
_EFFICIENT = 8
"""Rows from which on a product with a matrix runs at full speed."""

Float = NDArray[np.float64]
Correction = Callable[[int, Float], None]


def block_size(n_rows: int, n_scores: int) -> int:
    """Return how many models of `n_scores` numbers a row are read at once."""
    one = 8 * n_rows * n_scores
    return max(1, min(max(_EFFICIENT, _CACHE_BYTES // one), _MOST_BYTES // one))


def probabilities(weights: Float, columns: Float, correct: Correction | None = None) -> Iterator[Float]:
    """Yield (k', N, C) probabilities, the softmax of weights @ columns, in blocks of models.

    Parameters
    ----------
    weights : (k, C, m), of every class; with two classes only the difference is multiplied.
    columns : (m, N), a row of ones among them for a constant.
    correct : called with a model's number and its (C, N) log scores, or (1, N) difference of the second class's less
        the first's, which it may add to.

    Examples
    --------
    >>> np.concatenate(list(probabilities(np.array([[[0.0], [np.log(3.0)]]]), np.ones((1, 1))))).round(3).tolist()
    [[[0.25, 0.75]]]
    """
    k, n_classes, width = weights.shape
    n = columns.shape[1]
    if n_classes == 2:
        weights = weights[:, 1:] - weights[:, :1]
    size = block_size(n, n_classes)
    for first in range(0, k, size):
        block = weights[first : first + size]
        scores = (block.reshape(-1, width) @ columns).reshape(*block.shape[:2], n)
        if correct is not None:
            for i, own in enumerate(scores):
                correct(first + i, own)
        yield np.swapaxes(_of_two(scores[:, 0]) if n_classes == 2 else _of_many(scores), 1, 2)


def _of_two(difference: Float) -> Float:
    """Return (k, 2, N) probabilities from log odds, both exact also where one is close to 1."""
    out = np.empty((len(difference), 2, difference.shape[1]))
    np.clip(difference, -700.0, 700.0, out=difference)
    odds = np.exp(-difference, out=difference)
    np.add(odds, 1.0, out=out[:, 1])
    np.reciprocal(out[:, 1], out=out[:, 1])
    np.multiply(odds, out[:, 1], out=out[:, 0])
    return out


def _of_many(scores: Float) -> Float:
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
