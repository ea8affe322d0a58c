"""Linear scores of many models over rows that all share, that each shifts and scales its own way, or that each owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from seepage.training.fast.design import ScaledRows
from seepage.training.fast.protocol import Stack

__all__ = ["AffineRows", "LinearRows", "OwnRows", "SharedRows", "rows_of_stack"]

Array = NDArray[np.float64]

_SAME = 1e-10
"""Relative difference up to which rows count as one table, shifted and scaled."""


class LinearRows(Protocol):
    """Rows under k models; coefficients are (k, C, q), the intercept last where there is one."""

    @property
    def width(self) -> int:
        """q, coefficients of one score."""

    def forward(self, coefficients: Array) -> Array:
        """Return the scores (k, C, n) of the n rows of training."""

    def read(self, coefficients: Array) -> Array:
        """Return the scores (k, C, N) of all rows."""

    def back(self, scores: Array) -> Array:
        """Return Σ_i scores_i x_i over the rows of training, (k, C, q) for (k, C, n)."""

    def keep(self, at: NDArray[np.bool_]) -> LinearRows:
        """Return the rows under some of the models."""


@final
@dataclass(frozen=True)
class SharedRows:
    """One table for all models, intercept or not.

    Parameters
    ----------
    x : (N, q) all rows, with a column of ones for the intercept.
    turned : (q, n) the first n as columns, some with their sign turned.
    """

    x: Array
    turned: Array

    @property
    def width(self) -> int:
        """q, coefficients of one score."""
        return int(self.x.shape[1])

    def forward(self, coefficients: Array) -> Array:
        """One product for all models."""
        return _product(coefficients, self.turned)

    def read(self, coefficients: Array) -> Array:
        """One product for all models."""
        return _product(coefficients, self.x.T)

    def back(self, scores: Array) -> Array:
        """One product for all models."""
        k, c, n = scores.shape
        # this way round the product is a third faster
        sums: Array = (self.turned @ scores.reshape(k * c, n).T).T.reshape(k, c, -1)
        return sums

    def keep(self, at: NDArray[np.bool_]) -> SharedRows:
        """The table stays."""
        return self


@final
@dataclass(frozen=True)
class AffineRows:
    """One table, of which model k sees column j as scale[k, j] · x_j + shift[k, j].

    Parameters
    ----------
    table : with a column of ones, intercept or not.
    scale, shift : (k, d).
    intercept : whether the models have one.
    """

    table: SharedRows
    scale: Array
    shift: Array
    intercept: bool

    @property
    def width(self) -> int:
        """q, coefficients of one score."""
        return int(self.scale.shape[1]) + int(self.intercept)

    def forward(self, coefficients: Array) -> Array:
        """Scale the coefficients instead of the rows."""
        return self.table.forward(self._to_table(coefficients))

    def read(self, coefficients: Array) -> Array:
        """Scale the coefficients instead of the rows."""
        return self.table.read(self._to_table(coefficients))

    def back(self, scores: Array) -> Array:
        """Scale the sums instead of the rows."""
        sums = self.table.back(scores)
        scaled = sums[:, :, :-1]
        scaled *= self.scale[:, None, :]
        scaled += self.shift[:, None, :] * sums[:, :, -1:]
        return sums if self.intercept else scaled

    def keep(self, at: NDArray[np.bool_]) -> AffineRows:
        """Keep some models' scales."""
        return AffineRows(self.table, self.scale[at], self.shift[at], self.intercept)

    def _to_table(self, coefficients: Array) -> Array:
        k, c, _ = coefficients.shape
        d = self.scale.shape[1]
        out = np.empty((k, c, d + 1))
        np.multiply(coefficients[:, :, :d], self.scale[:, None, :], out=out[:, :, :d])
        out[:, :, d] = np.einsum("kcd,kd->kc", coefficients[:, :, :d], self.shift)
        if self.intercept:
            out[:, :, d] += coefficients[:, :, d]
        return out


@final
@dataclass(frozen=True)
class OwnRows:
    """A table (k, N, d) for each model; nothing is shared, so one product a model.

    Parameters
    ----------
    x : (k, N, d).
    sign : (n,) the sign in which each row of training counts.
    intercept : whether the models have one.
    """

    x: Array
    sign: Array
    intercept: bool

    @property
    def width(self) -> int:
        """q, coefficients of one score."""
        return int(self.x.shape[2]) + int(self.intercept)

    def forward(self, coefficients: Array) -> Array:
        """One product a model."""
        return self._scores(coefficients, self.x[:, : len(self.sign)]) * self.sign

    def read(self, coefficients: Array) -> Array:
        """One product a model."""
        return self._scores(coefficients, self.x)

    def back(self, scores: Array) -> Array:
        """One product a model."""
        signed = scores * self.sign
        sums: Array = signed @ self.x[:, : len(self.sign)]
        return np.concatenate([sums, signed.sum(axis=2, keepdims=True)], axis=2) if self.intercept else sums

    def keep(self, at: NDArray[np.bool_]) -> OwnRows:
        """Keep some models' tables."""
        return OwnRows(self.x[at], self.sign, self.intercept)

    def _scores(self, coefficients: Array, x: Array) -> Array:
        d = self.x.shape[2]
        scores: Array = coefficients[:, :, :d] @ x.transpose(0, 2, 1)
        if self.intercept:
            scores += coefficients[:, :, d:]
        return scores


def rows_of_stack(stack: Stack, sign: Array, *, intercept: bool) -> SharedRows | AffineRows | OwnRows:
    """Return the rows of a stack in the form that takes the least work.

    The rows of training are multiplied by `sign` (n,): with two classes a record's loss depends on ± its score alone.

    Rows that a pipeline has preprocessed for each model are recognised as one table whose columns are shifted and
    scaled: shift and scale are read off each column's extremes, and two random sums over the rows of every model tell
    whether they explain all of it (Freivalds 1977: a table that differs passes with probability zero).

    Examples
    --------
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> members, y = np.ones((2, 3), dtype=bool), np.array([0, 1, 1])
    >>> own = Stack(np.stack([x, 3 * x - 1]), y, members, (1, 2), 2, own_rows=True)
    >>> rows = rows_of_stack(own, np.ones(3), intercept=True)
    >>> type(rows).__name__, rows.scale[1].round(6).tolist(), rows.shift[1].round(6).tolist()
    ('AffineRows', [3.0, 3.0], [-1.0, -1.0])
    """
    if not stack.own_rows:
        x = np.asarray(stack.x, dtype=np.float64)
        return _shared(_with_ones(x) if intercept else np.ascontiguousarray(x), sign)
    if isinstance(stack.x, ScaledRows):
        mean, scale = stack.x.mean.mean(axis=0), stack.x.scale.mean(axis=0)
        table = _shared(_with_ones((stack.x.rows - mean) / scale), sign)
        return AffineRows(table, scale / stack.x.scale, (mean - stack.x.mean) / stack.x.scale, intercept)
    own = np.ascontiguousarray(stack.x, dtype=np.float64)
    found = _scales(own)
    if found is None:
        return OwnRows(own, sign, intercept)
    return AffineRows(_shared(_with_ones(own[0]), sign), *found, intercept)


def _shared(x: Array, sign: Array) -> SharedRows:
    return SharedRows(x, x[: len(sign)].T * sign)


def _with_ones(x: Array) -> Array:
    out = np.empty((len(x), x.shape[1] + 1))
    out[:, :-1] = x
    out[:, -1] = 1.0
    return out


def _scales(own: Array) -> tuple[Array, Array] | None:
    """Return scale and shift (k, d) of every model's rows against the first's, or None if these do not explain them."""
    table = own[0]
    column = np.arange(table.shape[1])
    low, high = table.argmin(axis=0), table.argmax(axis=0)
    spread = table[high, column] - table[low, column]
    bottom, top = own[:, low, column], own[:, high, column]
    scale = np.where(spread > 0.0, (top - bottom) / np.where(spread > 0.0, spread, 1.0), 1.0)
    shift = bottom - scale * table[low, column]
    sums = np.random.default_rng(0).standard_normal((2, len(table)))
    expected = (sums @ table)[None] * scale[:, None, :] + shift[:, None, :] * sums.sum(axis=1)[None, :, None]
    size = np.abs(scale) * np.abs(table).max(axis=0) + np.abs(shift)
    allowed = _SAME * np.sqrt(len(table)) * np.maximum(size, np.finfo(float).tiny)
    same = np.abs(sums @ own - expected) <= allowed[:, None, :]
    return (scale, shift) if bool(same.all()) and bool((scale > 0.0).all()) else None


def _product(a: Array, b: Array) -> Array:
    k, c, m = a.shape
    product: Array = (a.reshape(k * c, m) @ b).reshape(k, c, -1)
    return product
