"""The case: a specification together with the model, the tables and the recipe it is about."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seepage.records import Records, Split
from seepage.spec import AuditSpec
from seepage.targets.protocol import Target
from seepage.training.table import Recipe, Signals
from seepage.work import Progress, Store

__all__ = ["Case", "Imported", "Resources"]


@dataclass(frozen=True)
class Resources:
    """Where the work happens and what it may cost.

    `budget` is seconds for the whole audit, or None. `engine` None means sequential, in this process. `jobs` None
    means every core of this machine, or all that a cluster has.
    """

    store: Store
    engine: str | None = None
    jobs: int | None = 1
    budget: float | None = None
    progress: Progress | None = None

    @property
    def side_by_side(self) -> int:
        """Return how many models are trained at a time; of a cluster only what was asked for is known beforehand."""
        return 1 if self.engine is None else self.jobs or os.cpu_count() or 1


@dataclass(frozen=True)
class Imported:
    """Shadow models that someone else trained: their signals and who was in them."""

    signals: Signals
    source: str


@dataclass(frozen=True)
class Case:
    """What an audit is about.

    Parameters
    ----------
    spec : what was said before anything ran.
    target : the model with the declared access.
    auditor : the same model as the auditor holds it, with everything granted; None for an endpoint.
    split : members and nonmembers.
    recipe : how such a model is made, or None.
    imported : shadow signals brought along instead of a recipe, or None.
    floor : smallest probability told apart from zero.
    loss_trace : (epochs, members) losses recorded while the model was trained, or None.
    """

    spec: AuditSpec
    target: Target
    auditor: Target | None
    split: Split
    recipe: Recipe | None
    imported: Imported | None
    floor: float
    loss_trace: NDArray[np.float64] | None = None

    @property
    def records(self) -> Records:
        """Members followed by nonmembers."""
        return self.split.records

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(N,) True for the members of `records`."""
        return self.split.truth
