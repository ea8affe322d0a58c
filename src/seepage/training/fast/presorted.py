"""Grow shallow regression trees on rows sorted once for each feature, where scikit-learn sorts them at every node."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Presorted", "Splits"]

_Random = np.random.RandomState

_NEAR = np.float32(1e-7)
"""Values that scikit-learn's trees take for the same."""
_PURE = float(np.finfo(np.float64).eps)
"""Variance below which they split no further."""


class Splits(NamedTuple):
    """A tree of full depth: node i has the children 2i + 1 (value ≤ threshold) and 2i + 2; an unsplit node has ∞."""

    features: NDArray[np.intp]
    thresholds: NDArray[np.float64]

    def leaves(self, x: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return (N,) the leaf of each row, counted from the left of the lowest level."""
        flat, first = x.ravel(), np.arange(0, x.size, x.shape[1])
        node = np.zeros(len(x), dtype=np.intp)
        inner = len(self.features)
        for _ in range((inner + 1).bit_length() - 1):
            right = flat.take(first + self.features.take(node)) > self.thresholds.take(node)
            node *= 2
            node += 1
            node += right
        node -= inner
        return node


@final
class Presorted:
    """The rows of one model, and the trees that best explain an outcome by least squares.

    A split is the best of all features and thresholds, as in scikit-learn's exact search; where several are equally
    good, the first in a random order of the features is taken, also as there, but from other random numbers.

    Parameters
    ----------
    x : (n, d) float32, finite, in C order.
    depth : levels of splits, at most.
    min_split, min_leaf : rows in a node that is split, and in each part.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [4.0], [5.0]], dtype=np.float32)
    >>> tree = Presorted(rows, 1, 2, 1).grow(np.array([0.0, 0.0, 1.0, 1.0]), np.random.RandomState(0))
    >>> tree.thresholds.tolist(), tree.leaves(rows).tolist()
    ([2.5], [0, 0, 1, 1])
    """

    def __init__(self, x: NDArray[np.float32], depth: int, min_split: int, min_leaf: int) -> None:
        self._n = len(x)
        self._depth = depth
        self._min_split = max(min_split, 2 * min_leaf)
        self._min_leaf = min_leaf
        columns = np.ascontiguousarray(x.T)
        self._order = np.argsort(columns, axis=1, kind="stable")
        self._values = np.take_along_axis(columns, self._order, axis=1)
        self._sizes = np.arange(1.0, self._n + 1)

    def grow(self, y: NDArray[np.float64], random: _Random) -> Splits:
        """Return the tree for (n,) outcomes."""
        inner = 2**self._depth - 1
        splits = Splits(np.zeros(inner, dtype=np.intp), np.full(inner, np.inf))
        waiting = [(0, 0, self._order, self._values)]
        while waiting:
            node, level, order, values = waiting.pop()
            found = self._best(order, values, y, random)
            if found is None:
                continue
            feature, n_left = found
            splits.features[node] = feature
            # halves are added, as in scikit-learn: the sum of two large numbers may be infinite
            low, high = values[feature, n_left - 1], values[feature, n_left]
            splits.thresholds[node] = float(low) / 2 + float(high) / 2
            if level + 1 == self._depth:
                continue
            goes_left = np.zeros(self._n, dtype=bool)
            goes_left[order[feature, :n_left]] = True
            picked = goes_left.take(order)
            waiting.append((2 * node + 1, level + 1, *_parts(order, values, picked)))
            np.logical_not(picked, out=picked)
            waiting.append((2 * node + 2, level + 1, *_parts(order, values, picked)))
        return splits

    def _best(
        self,
        order: NDArray[np.intp],
        values: NDArray[np.float32],
        y: NDArray[np.float64],
        random: _Random,
    ) -> tuple[int, int] | None:
        """Return the best split's feature and the number of rows to its left, or None where there is no split."""
        d, n = order.shape
        if n < self._min_split:
            return None
        own = y.take(np.sort(order[0]))
        mean = own.sum() / n
        if own.dot(own) / n - mean * mean <= _PURE:
            return None
        first, beyond = self._min_leaf - 1, n - self._min_leaf
        sums = y.take(order)
        np.cumsum(sums, axis=1, out=sums)
        left = sums[:, first:beyond]
        # one total for all features, and divisions, so that sums round as they do in scikit-learn
        gain = own.cumsum()[-1] - left
        gain *= gain
        gain /= self._sizes[: n - 1][::-1][first:beyond]
        left *= left
        left /= self._sizes[first:beyond]
        gain += left
        np.putmask(gain, values[:, first + 1 : beyond + 1] <= values[:, first:beyond] + _NEAR, -1.0)
        at = gain.argmax(axis=1)
        best = gain[np.arange(d), at]
        features = random.permutation(d)
        feature = int(features[best[features].argmax()])
        return None if best[feature] < 0 else (feature, first + int(at[feature]) + 1)


def _parts(
    order: NDArray[np.intp], values: NDArray[np.float32], picked: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the rows picked, still sorted; each feature has the same number of them."""
    return order[picked].reshape(len(order), -1), values[picked].reshape(len(order), -1)
