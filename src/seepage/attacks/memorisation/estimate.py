"""Memorisation of each person: mean signal of the models with the person minus that of the models without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.protocol import ShadowTable
from seepage.spec import Task

__all__ = ["Contrast", "Persons", "contrast", "discoveries", "p_values", "signal_of", "smallest_detectable"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_ON_A_SIDE = 2
"""Models with, and models without, a person from which a difference has a standard error."""
LEAST_SPREAD = 0.05
"""Smallest spread of an unbounded signal over models, in standard deviations of the outcome's residual."""


@dataclass(frozen=True)
class Persons:
    """Rows gathered by person: `row` (n,) names each row's person, 0 … u − 1; `size` (u,) counts their rows."""

    row: NDArray[np.intp]
    size: NDArray[np.intp]

    @classmethod
    def of(cls, persons: NDArray[Any] | None, n: int) -> Persons:
        """Gather n rows; without person ids every row is a person."""
        if persons is None:
            return cls(np.arange(n), np.ones(n, dtype=np.intp))
        _, row, size = np.unique(np.asarray(persons).astype(str), return_inverse=True, return_counts=True)
        return cls(row.reshape(-1), size)

    @property
    def n(self) -> int:
        """Number of persons."""
        return len(self.size)

    @property
    def several(self) -> bool:
        """Whether a person has more than one row."""
        return bool((self.size > 1).any())

    def mean(self, table: NDArray[Any]) -> Floats:
        """Return the mean of a (K, n) table over each person's rows, (K, u)."""
        values = np.asarray(table, dtype=np.float64)
        if not self.several:
            out = np.empty_like(values)
            out[:, self.row] = values
            return out
        total = np.zeros((len(values), self.n))
        np.add.at(total.T, self.row, values.T)
        return total / self.size

    def any(self, rows: Bools) -> Bools:
        """Return for each person whether any of their rows is marked; the last axis holds the rows."""
        marked = np.zeros((*rows.shape[:-1], self.n), dtype=bool)
        marked[..., self.row[::-1]] = rows[..., ::-1]
        if self.several:
            marked = np.zeros(marked.shape, dtype=bool)
            np.logical_or.at(marked.T, self.row, rows.T)
        return marked


@dataclass(frozen=True)
class Contrast:
    """Memorisation of each person with its standard error.

    Parameters
    ----------
    value : (u,) mean with − mean without; NaN where a side has fewer than two models.
    error : (u,) standard error over retrainings.
    inside, outside : (u,) mean signal of the models with and without the person.
    n_inside, n_outside : (u,) models on each side.
    spread_inside, spread_outside : (u,) unbiased variances over models.
    """

    value: Floats
    error: Floats
    inside: Floats
    outside: Floats
    n_inside: Floats
    n_outside: Floats
    spread_inside: Floats
    spread_outside: Floats


def signal_of(table: ShadowTable, task: Task) -> tuple[Floats, str]:
    """Return the (K, n) signal of which memorisation is the difference, and its name.

    Probability of the true class where margins were read, else whether the label was right; for regression −|residual|
    in standard deviations of the residuals of models without the record.
    """
    if task is Task.REGRESSION:
        residual = np.abs(table.arrays["residual"].astype(np.float64))
        outside = residual[~table.mask]
        scale = float(np.sqrt(np.mean(outside**2))) if outside.size else 0.0
        return -residual / (scale or 1.0), "closeness to the outcome, in standard deviations of the residual"
    if "margin" in table.arrays:
        margin = table.arrays["margin"].astype(np.float64)
        return np.exp(-np.logaddexp(0.0, -margin)), "probability of the true class"
    return table.arrays["correct"].astype(np.float64), "share of right labels"


def contrast(signal: Floats, mask: Bools, *, spread: float = 0.0) -> Contrast:
    """Return the difference of means with and without each person, and its standard error.

    Parameters
    ----------
    signal : (K, u) signal by person.
    mask : (K, u) True where the person was trained on.
    spread : floor of the standard deviation over models.

    Examples
    --------
    >>> signal = np.array([[0.9], [0.1], [0.8], [0.2]])
    >>> float(contrast(signal, signal > 0.5).value[0].round(3))
    0.7
    """
    with_, without = mask.astype(np.float64), (~mask).astype(np.float64)
    n_in, n_out = with_.sum(axis=0), without.sum(axis=0)
    enough = (n_in >= LEAST_ON_A_SIDE) & (n_out >= LEAST_ON_A_SIDE)
    lower_in, lower_out = np.maximum(n_in, LEAST_ON_A_SIDE), np.maximum(n_out, LEAST_ON_A_SIDE)
    mean_in = (signal * with_).sum(axis=0) / lower_in
    mean_out = (signal * without).sum(axis=0) / lower_out
    var_in = (((signal - mean_in) ** 2) * with_).sum(axis=0) / (lower_in - 1.0)
    var_out = (((signal - mean_out) ** 2) * without).sum(axis=0) / (lower_out - 1.0)
    var_in, var_out = np.maximum(var_in, spread**2), np.maximum(var_out, spread**2)
    error = np.sqrt(var_in / lower_in + var_out / lower_out)
    blank = np.where(enough, 0.0, np.nan)
    return Contrast(
        mean_in - mean_out + blank, error + blank, mean_in, mean_out, n_in, n_out, var_in + blank, var_out + blank
    )


def p_values(found: Contrast, at_least: float, *, bounded: bool) -> Floats:
    """Return for each person a one-sided p-value of "memorisation is at most `at_least`"; 1 where unknown.

    A bounded signal (0 to 1) gets one more model on either side that says 0 and one that says 1, so that a person
    whose few models all agree is no certainty (Agresti and Caffo 2000, whose intervals this inverts); the rest is
    Welch's test. An unbounded signal has a floor under its spread instead.

    Parameters
    ----------
    found : contrasts of u persons.
    at_least : the declared value that counts as memorised.
    bounded : whether the signal lies between 0 and 1.

    References
    ----------
    Agresti, Caffo (2000), The American Statistician 54:280. Welch (1947), Biometrika 34:28.
    """
    from scipy.special import stdtr

    n_in, n_out = np.maximum(found.n_inside, LEAST_ON_A_SIDE), np.maximum(found.n_outside, LEAST_ON_A_SIDE)
    mean_in, mean_out = found.inside, found.outside
    square_in, square_out = found.spread_inside * (n_in - 1.0), found.spread_outside * (n_out - 1.0)
    if bounded:
        square_in, mean_in, n_in = _with_both_ends(square_in, mean_in, n_in)
        square_out, mean_out, n_out = _with_both_ends(square_out, mean_out, n_out)
    part_in, part_out = square_in / (n_in - 1.0) / n_in, square_out / (n_out - 1.0) / n_out
    variance = part_in + part_out
    freedom = variance**2 / (part_in**2 / (n_in - 1.0) + part_out**2 / (n_out - 1.0))
    p = stdtr(freedom, -(mean_in - mean_out - at_least) / np.sqrt(variance))
    return np.where(np.isnan(p) | np.isnan(found.value), 1.0, p)


def _with_both_ends(square: Floats, mean: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Add one reading of 0 and one of 1 to each person's sum of squares, mean and number."""
    more = (n * mean + 1.0) / (n + 2.0)
    square = square + n * (mean - more) ** 2 + more**2 + (1.0 - more) ** 2
    return square, more, n + 2.0


def discoveries(p: Floats, rate: float = 0.05) -> Bools:
    """Mark those that the step-up rule of Benjamini and Hochberg (1995) rejects at this false-discovery rate.

    Examples
    --------
    >>> discoveries(np.array([0.001, 0.2, 0.02, 0.9])).tolist()
    [True, False, True, False]
    """
    m = len(p)
    if m == 0:
        return np.zeros(0, dtype=bool)
    order = np.argsort(p, kind="stable")
    below = np.flatnonzero(p[order] <= rate * np.arange(1, m + 1) / m)
    marked = np.zeros(m, dtype=bool)
    if len(below):
        marked[order[: below[-1] + 1]] = True
    return marked


def smallest_detectable(found: Contrast, at_least: float, tests: int, *, bounded: bool, rate: float = 0.05) -> float:
    """Return the memorisation of a single person that 80 % of audits like this one would list, were it the only one.

    It holds for a person whose spread over models is the root of the mean variance; infinite where even complete
    memorisation would not be listed.

    Parameters
    ----------
    found : contrasts of all persons.
    at_least, bounded : as for `p_values`.
    tests : persons looked at together.
    rate : false-discovery rate.
    """
    known = ~np.isnan(found.value)
    if not known.any() or tests < 1:
        return float("inf")
    sizes = np.linspace(at_least, 1.0 if bounded else 5.0, 191)
    spread_in, spread_out = float(found.spread_inside[known].mean()), float(found.spread_outside[known].mean())
    n_in, n_out = float(np.median(found.n_inside[known])), float(np.median(found.n_outside[known]))
    error = np.sqrt(spread_in / n_in + spread_out / n_out)
    outside = np.minimum(float(np.median(found.outside[known])), 1.0 - sizes) if bounded else np.zeros_like(sizes)
    seen = outside + sizes - 0.84 * error  # four audits in five see at least this

    def every(value: float) -> Floats:
        return np.full(len(sizes), value)

    spreads = every(spread_in), every(spread_out)
    typical = Contrast(seen - outside, every(error), seen, outside, every(n_in), every(n_out), *spreads)
    listed = np.flatnonzero(p_values(typical, at_least, bounded=bounded) <= rate / tests)
    return float(sizes[listed[0]]) if len(listed) else float("inf")
