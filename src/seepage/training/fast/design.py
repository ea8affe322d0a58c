"""Numbers for a fast trainer: the table as one matrix, or each model's own after a pipeline's preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.training.fast.choose import Choice, unwrapped
from seepage.training.fast.sums import moments
from seepage.training.seeding import fresh_copy

__all__ = ["Design", "ScaledRows", "design_of", "is_written_out", "width_of"]

_LOOK = 500


@dataclass(frozen=True, eq=False)
class ScaledRows:
    """What a pipeline's StandardScaler makes of the rows, (k, N, d), without writing it out.

    A trainer that says `takes_scaled_rows` gets it as `Stack.x`; others get the array.

    Parameters
    ----------
    rows : (N, d) float64 before scaling.
    mean, scale : (k, d) of each model's members.

    Examples
    --------
    >>> made = ScaledRows(np.array([[1.0], [3.0]]), np.array([[2.0]]), np.array([[0.5]]))
    >>> made.shape, made[0].tolist()
    ((1, 2, 1), [[-2.0], [2.0]])
    """

    rows: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(k, N, d)."""
        return (len(self.mean), *self.rows.shape)

    def __len__(self) -> int:
        """Return k."""
        return len(self.mean)

    def __getitem__(self, model: Any) -> Any:
        """Return one model's (N, d) rows for a number, and `ScaledRows` of some models for an array or slice."""
        if isinstance(model, (int, np.integer)):
            made = self.rows - self.mean[model]
            made /= self.scale[model]
            return made
        return ScaledRows(self.rows, self.mean[model], self.scale[model])

    def written_out(self) -> NDArray[np.float64]:
        """Return all as one array."""
        made = np.empty(self.shape)
        for place, mean, scale in zip(made, self.mean, self.scale, strict=True):
            np.subtract(self.rows, mean, out=place)
            place /= scale
        return made


Design = NDArray[Any] | list[NDArray[Any]] | ScaledRows
"""(N, d) rows that all models share, or each model's own."""


def width_of(choice: Choice, records: Records) -> int:
    """Return about how many numbers a row holds once a pipeline has preprocessed it."""
    if choice.pipeline is not None:
        some = records.take(np.arange(min(records.n, _LOOK)))
        everyone = np.ones((1, some.n), dtype=bool)
        return int(design_of(choice, some, some, everyone, (0,))[0].shape[1])
    shape = getattr(records.x, "shape", (records.n, 1))
    return int(np.prod(shape[1:])) or 1


def is_written_out(choice: Choice) -> bool:
    """Tell whether each model of a stack gets rows of its own, which take memory."""
    if choice.pipeline is None:
        return False
    steps = unwrapped(choice.pipeline)[2]
    takes_scaled = getattr(choice.trainer, "takes_scaled_rows", False)
    return not (takes_scaled and len(steps) == 1 and _is_plain_scaler(steps[0]))


def design_of(
    choice: Choice, records: Records, everything: Records, members: NDArray[np.bool_], seeds: Sequence[int]
) -> Design:
    """Return the rows as the models see them.

    Parameters
    ----------
    records : (n) rows that may be trained on, with outcomes.
    everything : (N) the same rows followed by those that are only read.
    members : (k, n); seeds : (k,).

    Raises
    ------
    RecipeError
        When they are not all finite numbers.
    """
    if getattr(choice.trainer, "takes_any_rows", False):
        rows: Any = everything.x
        return rows  # type: ignore[no-any-return]
    if choice.pipeline is None:
        return _numbers(everything.x)
    steps = unwrapped(choice.pipeline)[2]
    if len(steps) == 1 and _is_plain_scaler(steps[0]):
        numbers = _numbers(everything.x)
        if numbers.dtype == np.float64:
            return _scaled(numbers, members)
    return [
        _preprocessed(choice.pipeline, records.take(inside), everything, seed)
        for inside, seed in zip(members, seeds, strict=True)
    ]


def _numbers(x: Any) -> NDArray[Any]:
    values = x if isinstance(x, np.ndarray) else np.asarray(x)
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise RecipeError("the features are not all numbers")
    numbers: NDArray[Any] = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise RecipeError("the features have missing or infinite values")
    return numbers


def _is_plain_scaler(step: Any) -> bool:
    kind = type(step)
    return (
        kind.__name__ == "StandardScaler"
        and kind.__module__.startswith("sklearn.")
        and step.with_mean
        and step.with_std
    )


def _scaled(x: NDArray[np.float64], members: NDArray[np.bool_]) -> ScaledRows:
    """Put the rows on the mean and spread of the members, constant columns left unscaled, as scikit-learn does."""
    made = moments(members, x[: members.shape[1]])
    eps = made.n[:, None] * np.finfo(np.float64).eps
    is_constant = made.variance <= eps * made.variance + (eps * made.mean) ** 2
    return ScaledRows(x, made.mean, np.where(is_constant, 1.0, np.sqrt(made.variance)))


def _preprocessed(pipeline: Any, own: Records, everything: Records, seed: int) -> NDArray[Any]:
    """Fit a pipeline's steps on the model's members and return all rows transformed."""
    fitted, both = own.x, everything.x
    for step in unwrapped(fresh_copy(pipeline, seed))[2]:
        fitted = step.fit_transform(fitted, own.y)
        both = step.transform(both)
    return _numbers(both.toarray() if hasattr(both, "toarray") else np.asarray(both))
