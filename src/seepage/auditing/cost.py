"""What the steps of an audit cost: measured constants, scaled to this machine, put together by simple formulas."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from seepage.training.cost import TrainingCost

__all__ = ["AttackLoad", "Costs", "table"]

_MIB = 2**20


@dataclass(frozen=True)
class AttackLoad:
    """What decides how long one attack takes.

    Parameters
    ----------
    name : the attack's.
    shadows : shadow models it reads; 0 for none.
    turns : how often a shadow model takes the target's place.
    queries : rows that it may ask of the target.
    auditor : True for a check of the fitted object, which reads the target once more.
    """

    name: str
    shadows: int = 0
    turns: int = 0
    queries: int = 0
    auditor: bool = False

    @property
    def ranks(self) -> bool:
        """True where the attack ranks records, so that its scores are measured."""
        return bool(_of(self.name)["ranking"])


@dataclass(frozen=True)
class Costs:
    """What was found out about an audit and its machine before it starts; gives seconds and MiB of each step.

    Parameters
    ----------
    records : records of both sides.
    speed : seconds this machine takes for what took one second where the constants were measured.
    row_seconds : seconds the target takes for one row.
    groups, columns : groups that leakage is broken down by, and the columns they come from.
    base_mb : memory this process holds before it begins.
    available_mb : memory that this machine has left, or None where that is unknown.
    training : of shadow models, or None without any.
    spent : seconds that finding out took.

    Examples
    --------
    >>> costs = Costs(records=1000, base_mb=100.0)
    >>> costs.attack(AttackLoad("membership/lira", shadows=16, turns=16)) < 0.2
    True
    """

    records: int
    speed: float = 1.0
    row_seconds: float = 2e-5
    groups: int = 0
    columns: int = 0
    base_mb: float = 0.0
    available_mb: float | None = None
    training: TrainingCost | None = None
    spent: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def target(self) -> float:
        """Return the seconds of reading the target once."""
        return self.records * self.row_seconds

    def split(self) -> float:
        """Return the seconds of the blind classifier and what goes before the attacks."""
        return self.speed * _line(table()["split"], self.records)

    def attack(self, load: AttackLoad) -> float:
        """Return the seconds of one attack with its turns and its numbers, intervals of all attacks together apart."""
        own, turn, measured = _of(load.name), table()["turn"], table()["measured"]
        once = _run(own, self.records, load.shadows)
        took = once * (1 + load.turns) + load.turns * _run(turn, self.records, load.shadows)
        if load.ranks:
            took += measured["fixed"] + measured["group"] * self.groups
            took += measured["row"] * self.records * self.columns
        asked = load.queries * own["asks"] + self.records * load.auditor
        return float(self.speed * took + asked * self.row_seconds)

    def rerun(self, load: AttackLoad, turns: int = 0) -> float:
        """Return the seconds of running an attack once more on other shadow models, and measuring no groups."""
        once = _run(_of(load.name), self.records, load.shadows)
        turn = _run(table()["turn"], self.records, load.shadows)
        return float(self.speed * (once * (1 + turns) + turn * (1 + turns)))

    def intervals(self, rankings: int) -> float:
        """Return the seconds of the intervals that hold for all attacks and groups together."""
        own, numbers = table()["intervals"], self._numbers(rankings)
        took = own["fixed"] + own["number"] * numbers * self.records
        return float(self.speed * (took + own["pair"] * (own["draws"] + self.records) * numbers**2))

    def report(self, attacks: int) -> float:
        """Return the seconds of judging, drawing and writing."""
        own = table()["report"]
        return float(self.speed * (own["attack"] * attacks + _line(own, self.records)))

    def table_mb(self, shadows: int, readers: int) -> float:
        """Return the memory of the signal table with its working copies."""
        return float(table()["memory"]["copies"] * shadows * self.records * 4 * readers / _MIB)

    def measured_mb(self, rankings: int) -> float:
        """Return the memory of groups, scores and their influence on the numbers."""
        own = table()["memory"]
        held = self.columns * (own["record"] + own["group_row"] * rankings) + own["record"] * rankings
        return float(own["libraries"] + self.records * held / _MIB)

    def intervals_mb(self, rankings: int) -> float:
        """Return the memory of the matrices that the joint intervals need, beside `measured_mb`."""
        own, numbers = table()["memory"], self._numbers(rankings)
        draws = own["draws"] * table()["intervals"]["draws"] * 4 * numbers
        return float((own["matrices"] * 8 * self.records * numbers + draws) / _MIB)

    def report_mb(self) -> float:
        """Return the memory of drawing the report, beside `measured_mb`."""
        return float(table()["memory"]["report"])

    def _numbers(self, rankings: int) -> int:
        return rankings * (self.groups + 3)


@cache
def table() -> Mapping[str, Any]:
    """Return the constants of cost.toml."""
    return tomllib.loads(files(__package__ or "").joinpath("cost.toml").read_text(encoding="utf-8"))


def _of(name: str) -> Mapping[str, Any]:
    attacks = table()["attack"]
    return {**attacks["default"], **attacks.get(name, {})}


def _line(own: Mapping[str, float], records: int) -> float:
    return own["fixed"] + own["record"] * records


def _run(own: Mapping[str, float], records: int, shadows: int) -> float:
    return own["fixed"] + records * (own["record"] + own["model"] * shadows)
