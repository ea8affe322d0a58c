"""How many nonmembers have a loss that hardly any member has: a first look at a model that needs no shadow model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seepage import stats
from seepage.attacks.membership.checks.generalisation import class_losses, residual_losses
from seepage.attacks.protocol import AuditorView, Scene
from seepage.errors import InputError
from seepage.evidence import Flag, Measures
from seepage.records import Records
from seepage.spec import Access, AuditSpec, Needs, Task

__all__ = ["Tail"]

_RATES = (0.1, 0.01, 0.001)
_FLOOR = 1e-7


@dataclass(frozen=True)
class Tail:
    """Share of nonmembers whose loss lies above that of all but a few members (true-negative rate of the loss attack).

    Losses are skewed: most are small, and a tail is large. Training moves the people of the tail, who are the ones at
    risk, to the small losses, so that members are missing from it. The share of nonmembers above the threshold that
    only 0.1 % (1 %, 10 %) of the members exceed follows, over models, the share of members that an attack with shadow
    models flags at as many false alarms. It speaks of the model, not of persons, and it is no attack: nobody is
    named a member by it.

    It is the auditor's look. Where persons have several rows, losses are averaged over each person's.

    References
    ----------
    Dodd, Krčo, Shilov, de Montjoye (2025), The Tail Tells All: Estimating Model-Level Membership Inference
    Vulnerability Without Reference Models, arXiv 2510.19773. We differ: an interval that lets the threshold vary, a
    rule for raising a flag, squared residuals for regression; the value is not turned into a predicted rate.

    Examples
    --------
    >>> from seepage.testing import toy_auditor_scene
    >>> measures = Tail().run(toy_auditor_scene("regression", leaky=True, seed=0))
    >>> measures.aggregates["tnr_at_fnr_0.1"], measures.flags[0].raised
    (1.0, True)
    """

    name: ClassVar[str] = "membership/tail"
    question: ClassVar[str] = "membership"
    title: ClassVar[str] = "Members missing from the tail of large losses"
    paper: ClassVar[str] = "Dodd et al. 2025, arXiv 2510.19773"

    def needs(self, spec: AuditSpec) -> Needs:
        """The auditor's own view: the model and both tables."""
        return Needs(access=Access.WEIGHTS, auditor=True)

    def run(self, scene: Scene) -> Measures:
        """Return the true-negative rates with intervals, and one flag.

        Raises
        ------
        InputError
            When the scene holds no auditor's view, or a side has no outcomes.
        """
        view = scene.auditor
        if view is None:
            raise InputError(f"{self.name} needs the auditor's view: the model and both tables.")
        sides = view.split.members, view.split.nonmembers
        if any(side.y is None for side in sides):
            raise InputError(f"{self.name} needs the outcomes y of members and nonmembers.")
        persons = all(side.persons is not None for side in sides)
        members, nonmembers = (_by_person(_losses(view, side), side, persons=persons) for side in sides)
        aggregates: dict[str, float | int | None] = {"members": len(members), "nonmembers": len(nonmembers)}
        # the mirror image of a true-positive rate at a false-positive rate, so the same intervals serve
        for rate in _RATES:
            found = stats.tpr_of_samples(nonmembers, members, rate)
            name = f"tnr_at_fnr_{rate:g}"
            aggregates |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        notes = ["A low value is no sign of low risk: it is a first look at the model, not at single people."]
        if persons:
            notes.append("Losses are averaged over each person's rows.")
        return Measures(aggregates, flags=(_flag(members, nonmembers),), notes=tuple(notes))


def _losses(view: AuditorView, side: Records) -> NDArray[np.float64]:
    answers = np.asarray(view.target.scores(side.x))
    if view.target.task is Task.REGRESSION:
        return np.asarray(residual_losses(answers, np.asarray(side.y)).values, dtype=np.float64)
    assert view.target.classes is not None
    found = class_losses(answers, np.asarray(side.y), np.asarray(view.target.classes), floor=_FLOOR)
    return np.asarray(found.values, dtype=np.float64)


def _by_person(losses: NDArray[np.float64], side: Records, *, persons: bool) -> NDArray[np.float64]:
    if not persons or side.persons is None:
        return losses
    _, at = np.unique(np.asarray(side.persons).astype(str), return_inverse=True)
    mean: NDArray[np.float64] = np.bincount(at.reshape(-1), weights=losses) / np.bincount(at.reshape(-1))
    return mean


def _flag(members: NDArray[np.float64], nonmembers: NDArray[np.float64]) -> Flag:
    title = "Members are missing from the tail of large losses"
    rule = (
        "at the smallest resolvable share of members, the lower bound of the share of nonmembers with larger losses "
        "lies above the upper bound of the members' share"
    )
    rate = stats.smallest_resolvable_fpr(len(members))
    point = None if rate is None else stats.operating_point(nonmembers, members, rate)
    if rate is None or point is None or point.tpr_interval.value is None:
        return Flag("SEP116", title, False, None, rule, "There are too few members to look at the tail", (), True)
    low, high = point.tpr_interval.low, point.fpr_interval.high
    raised = low is not None and high is not None and low > high
    detail = (
        f"{point.tpr_interval.value:.1%} of {len(nonmembers):,} nonmembers have a loss that only {rate:.1%} of "
        f"{len(members):,} members exceed"
    ) + (
        ". People with large losses were pulled out of the tail by training: those are the ones at risk"
        if raised
        else ". That is not clearly more than chance would give"
    )
    return Flag("SEP116", title, raised, point.tpr_interval.value, rule, detail)
