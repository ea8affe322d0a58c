"""Nearest neighbours for many models: found once among all rows, of which each model takes its first k members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.training.fast.design import ScaledRows
from seepage.training.fast.protocol import Stack

__all__ = ["NeighboursTrainer", "trainer_for"]

_METRICS = frozenset(
    {
        *("minkowski", "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev"),
        *("cosine", "correlation", "canberra", "braycurtis", "hamming"),
    }
)
"""Metrics where the distance of two rows depends on those two rows alone."""
_MIB = 2**20
_BLOCK_MIB = 16.0
_SPARE = 3.0
"""Standard deviations of a row's count of members among its neighbours that the first search allows for."""


def trainer_for(estimator: Any, prefix: str) -> NeighboursTrainer | str:
    """Return the trainer of a `KNeighborsClassifier` or `KNeighborsRegressor`, or why there is none.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> trainer_for(KNeighborsClassifier(metric="mahalanobis"), "")
    "the metric 'mahalanobis' is not one of two rows alone"
    """
    if callable(estimator.metric) or not isinstance(estimator.metric, str):
        return "a metric of its own may depend on anything"
    if estimator.metric not in _METRICS:
        return f"the metric {estimator.metric!r} is not one of two rows alone"
    if set(estimator.metric_params or {}) - {"p", "w"}:
        return f"metric_params beyond p and w ({', '.join(sorted(estimator.metric_params))})"
    if estimator.weights not in ("uniform", "distance", None):
        return "weights by a function of its own"
    if isinstance(estimator.n_neighbors, bool) or not isinstance(estimator.n_neighbors, (int, np.integer)):
        return f"n_neighbors is {estimator.n_neighbors!r}, not a whole number"
    if estimator.n_neighbors < 1:
        return f"n_neighbors is {estimator.n_neighbors}, less than 1"
    kept = ("algorithm", "leaf_size", "metric", "p", "metric_params")
    search = tuple((name, getattr(estimator, name)) for name in kept)
    return NeighboursTrainer(int(estimator.n_neighbors), estimator.weights == "distance", search)


@dataclass(frozen=True)
class _Found:
    """Neighbours of `rows`, nearest first: (r, m) numbers among the n, and distances where they weigh."""

    rows: NDArray[np.intp]
    near: NDArray[np.int32]
    far: NDArray[np.float64] | None


@final
@dataclass(frozen=True)
class NeighboursTrainer:
    """Look up m neighbours of every row once; a model's k neighbours are the first k of them it was trained on.

    A row with fewer than k members of some model among its m is looked up again with twice as many. Records whose
    k-th and next neighbour are equally far may get either one, as in scikit-learn, whose choice depends on the order
    of its tree.

    Parameters
    ----------
    k : neighbours that vote.
    by_distance : weigh each by one over its distance.
    search : the other parameters, as `sklearn.neighbors.NearestNeighbors` takes them.
    """

    k: int
    by_distance: bool
    search: tuple[tuple[str, Any], ...]

    name: ClassVar[str] = "neighbours"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "one search for all (nearest neighbours)"
    tolerance: ClassVar[float | None] = 1e-6
    takes_scaled_rows: ClassVar[bool] = True

    @property
    def floor(self) -> float:
        """Half a vote."""
        return 1e-7 if self.by_distance else max(1e-7, 0.5 / self.k)

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """128, the search being shared, fewer when their signals would take more than 128 MiB."""
        return max(1, min(128, int(128 * _MIB / (8 * n))))

    def tied(self, own: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark the rows whose k-th and next neighbour among a model's `own` rows are equally far: either may vote."""
        from sklearn.neighbors import NearestNeighbors

        if len(own) <= self.k:
            return np.zeros(len(rows), dtype=bool)
        far = NearestNeighbors(n_neighbors=self.k + 1, **dict(self.search)).fit(own).kneighbors(rows)[0]
        equal: NDArray[np.bool_] = np.isclose(far[:, -1], far[:, -2], rtol=1e-9, atol=1e-9 * float(far.max()))
        return equal

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (k', N, C) shares of the votes, or (k', N) predictions."""
        if stack.own_rows:
            stack = _shared(stack)
        n = stack.members.shape[1]
        smallest = int(stack.members.sum(axis=1).min())
        if smallest < self.k:
            raise RecipeError(f"a model has {smallest} members, fewer than the {self.k} neighbours asked for")
        found = self._search(stack, smallest / n)
        y = stack.y.astype(np.intp if stack.n_classes else np.float64)
        per_model = stack.n_rows * max(1, stack.n_classes)
        size = max(1, int(_BLOCK_MIB * _MIB / (8 * per_model)))
        for first in range(0, stack.k, size):
            members = stack.members[first : first + size]
            shape = (len(members), stack.n_rows, *([stack.n_classes] if stack.n_classes else []))
            out = np.empty(shape)
            for part in found:
                for model, inside in enumerate(members):
                    out[model, part.rows] = self._vote(part, inside, y, stack.n_classes)
            yield out

    def _search(self, stack: Stack, share: float) -> list[_Found]:
        """Find for every row as many neighbours as hold k members of every model."""
        from sklearn.neighbors import NearestNeighbors

        n = stack.members.shape[1]
        x = np.ascontiguousarray(stack.x)
        index = NearestNeighbors(n_neighbors=self.k, n_jobs=1, **dict(self.search)).fit(x[:n])
        members = np.packbits(stack.members.T, axis=1)
        every = np.packbits(np.ones(stack.k, dtype=bool))
        m = min(n, self._enough(share))
        found: list[_Found] = []
        due: NDArray[np.intp] = np.arange(len(x))
        while len(due):
            short: list[NDArray[np.intp]] = []
            size = max(1, int(_BLOCK_MIB * _MIB / (m * 16)))
            for first in range(0, len(due), size):
                rows = due[first : first + size]
                far, near = index.kneighbors(x[rows], n_neighbors=m)
                enough = np.ones(len(rows), dtype=bool) if m == n else self._complete(near, members, every)
                short.append(rows[~enough])
                kept = far[enough] if self.by_distance else None
                found.append(_Found(rows[enough], near[enough].astype(np.int32), kept))
            due = np.concatenate(short)
            m = min(n, 2 * m)
        return found

    def _enough(self, share: float) -> int:
        """Return how many neighbours nearly always hold k members when each is one with this probability."""
        spread = _SPARE * np.sqrt(1.0 - share)
        root = (spread + np.sqrt(spread**2 + 4.0 * self.k)) / 2.0
        return int(np.ceil(root**2 / share))

    def _complete(
        self, near: NDArray[np.intp], members: NDArray[np.uint8], every: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Return the rows where every model has k members among the neighbours, counting all models bit by bit."""
        # reached[j] has the bits of the models that have met more than j members so far
        reached = np.zeros((self.k, len(near), members.shape[1]), dtype=np.uint8)
        for step in range(near.shape[1]):
            met = members[near[:, step]]
            for j in range(min(self.k, step + 1)):
                carry = met & reached[j]
                reached[j] |= met
                met = carry
        complete: NDArray[np.bool_] = (reached[-1] == every).all(axis=1)
        return complete

    def _vote(self, part: _Found, inside: NDArray[np.bool_], y: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
        """Return (r, C) shares or (r,) predictions of one model on the rows of `part`."""
        count = len(part.near)
        member = inside[part.near]
        at = np.flatnonzero(member)
        each = member.sum(axis=1)
        first = np.cumsum(each) - each
        at = at[first[:, None] + np.arange(self.k)]
        outcome = y[part.near.ravel()[at]]
        weight = None
        if part.far is not None:
            weight = _inverse(part.far.ravel()[at])
        if not n_classes:
            if weight is None:
                return np.asarray(outcome.mean(axis=1), dtype=np.float64)
            return np.asarray((outcome * weight).sum(axis=1) / weight.sum(axis=1), dtype=np.float64)
        cell = outcome + (np.arange(count) * n_classes)[:, None]
        votes = np.bincount(
            cell.ravel(), None if weight is None else weight.ravel(), minlength=count * n_classes
        ).reshape(count, n_classes)
        shares: NDArray[np.float64] = votes / (self.k if weight is None else votes.sum(axis=1, keepdims=True))
        return shares


def _shared(stack: Stack) -> Stack:
    """Return the stack on the rows that a preprocessing without memory gives to all models."""
    if isinstance(stack.x, ScaledRows) or not (stack.x == stack.x[:1]).all():
        raise RecipeError("each model scales the rows its own way, so that distances differ between models")
    return replace(stack, x=stack.x[0], own_rows=False)


def _inverse(far: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / distance; where some are at distance 0 those count 1 and the others nothing."""
    zero = far == 0.0
    with np.errstate(divide="ignore"):
        weight = 1.0 / far
    return np.where(zero.any(axis=1, keepdims=True), zero, weight)
