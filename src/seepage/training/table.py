"""What shadow training leaves behind: who was in which model, and what each model says of every record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seepage.records import Records

__all__ = ["FIXED_IN", "IN", "OUT", "Inclusion", "Recipe", "Signals"]

OUT, IN, FIXED_IN = 0, 1, 2


class Recipe(Protocol):
    """How a model of this kind is made; pure in (records, seed).

    `fingerprint` hashes source, parameters and library versions; None means it cannot be hashed, and nothing
    made by it is ever cached.
    """

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def fingerprint(self) -> str | None:
        """Hash of all that goes into a model, or None."""

    def fit(self, records: Records, seed: int) -> Any:
        """Train one model on `records` and return it."""


@dataclass(frozen=True)
class Inclusion:
    """Who is in which shadow model.

    Parameters
    ----------
    mask : (K, N) uint8 with OUT, IN and FIXED_IN. All rows of one person share their state.
    audited : (N,) bool, records whose inclusion was drawn by chance in every model; the others are fixed.
    seed : the seed of the draw.
    design : "pairs" (models 2p and 2p+1 are complements on the audited records), "independent" coin flips, or
        "balanced" (imported only: every record is in equally many models, so that the other models' members tell by
        counting who was in one; such models must not be rotated into the target's place).
    """

    mask: NDArray[np.uint8]
    audited: NDArray[np.bool_]
    seed: int
    design: str = "pairs"

    @property
    def included(self) -> NDArray[np.bool_]:
        """(K, N) True where the record was trained on, drawn or fixed."""
        included: NDArray[np.bool_] = self.mask != OUT
        return included

    def complement(self, model: int) -> int | None:
        """Return the model that holds the other half of the audited records, or None."""
        if self.design != "pairs":
            return None
        other = model ^ 1
        return other if other < len(self.mask) else None


@dataclass(frozen=True)
class Signals:
    """The table every membership attack reads: signals of K models on N records.

    Parameters
    ----------
    inclusion : who was in which model, (K, N).
    arrays : reader name → float32 (K, N).
    seconds : (K,) time spent on each model.
    population : reader name → float32 (K, z), the same models' signals on the population records; may be empty.
    notes : what the reader of a report must know about the training.
    trainer : name of the trainer that made the models.
    """

    inclusion: Inclusion
    arrays: Mapping[str, NDArray[np.float32]]
    seconds: NDArray[np.float64]
    population: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trainer: str = "one-by-one"
