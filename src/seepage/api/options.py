"""Where the work happens and what it may cost: the options of `seepage.audit`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seepage.errors import InputError, did_you_mean
from seepage.spec import PRESET_SHADOWS

if TYPE_CHECKING:
    from seepage.auditing.case import Resources
    from seepage.work import Progress

__all__ = ["Options", "parse_budget"]


@dataclass(frozen=True)
class Options:
    """How an audit runs.

    Parameters
    ----------
    store : folder for finished work (`.seepage`), or None to keep it in memory.
    engine : None runs everything one after the other in this process; "local" uses `jobs` processes; "ray" and
        "dask" (with "=ADDRESS") use a cluster.
    jobs : processes at a time; None means the machine's cores, or all that a cluster has.
    budget : seconds, or "10m", "1h"; the number of shadow models is cut to fit.
    preset : "quick" (8 shadow models), "standard" (16) or "thorough" (64).
    loss_trace : (epochs, members) loss of each member after each epoch of the model's training, in the members' order.
    population : (X, y) of records in neither table, for attacks that calibrate on a population.
    rotations : further blocks of shadow models that give surplus members of an uneven split their own scores.
    disjoint_shadows : add, beside each shadow attack, what an attacker finds whose shadow models hold other people
        only; as many models again. None leaves it to the preset (only "thorough" does it).
    progress : a listener; None is silent.
    """

    store: str | Path | None = None
    engine: str | None = None
    jobs: int | None = None
    budget: float | str | None = None
    preset: str = "standard"
    population: Any = None
    loss_trace: Any = None
    rotations: int = 0
    disjoint_shadows: bool | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESET_SHADOWS:
            raise InputError(
                f"unknown preset {self.preset!r}.{did_you_mean(self.preset, PRESET_SHADOWS)} "
                f"Known: {', '.join(PRESET_SHADOWS)}."
            )
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"jobs must be at least 1 (got {self.jobs}).")
        if self.rotations < 0:
            raise InputError(f"rotations must not be negative (got {self.rotations}).")

    def resources(self) -> Resources:
        """Open the store and return what the audit room works with."""
        from seepage.auditing.case import Resources
        from seepage.work import Store

        return Resources(
            store=Store(None if self.store is None else Path(self.store)),
            engine=self.engine,
            jobs=self.jobs if self.jobs or (self.engine or "").startswith(("ray", "dask")) else os.cpu_count() or 1,
            budget=parse_budget(self.budget),
            progress=self.progress,
        )


def parse_budget(value: float | str | None) -> float | None:
    """Return seconds from a number or from "90s", "10m", "1.5h".

    Examples
    --------
    >>> parse_budget("10m")
    600.0
    """
    if value is None:
        return None
    if isinstance(value, (int, float)):
        seconds = float(value)
    else:
        match = re.fullmatch(r"\s*([0-9.]+)\s*([smh]?)\s*", value)
        if match is None:
            raise InputError(f"a budget is seconds or like '90s', '10m', '1.5h' (got {value!r}).")
        seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
    if seconds <= 0:
        raise InputError(f"a budget must be positive (got {value!r}).")
    return seconds
