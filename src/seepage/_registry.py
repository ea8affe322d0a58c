"""Names of attacks → where they live, and the static facts that `seepage list attacks` shows; nothing is imported."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from seepage.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from seepage.attacks.protocol import Attack

__all__ = [
    "GROUP",
    "PRESETS",
    "PRIMARY",
    "AttackFacts",
    "attack_names",
    "facts",
    "load_attack",
    "parameters",
    "preset_attacks",
]

GROUP = "seepage.attacks"
"""Entry-point group of third-party attacks: name = the attack's name, value = "module:Class"."""


@dataclass(frozen=True)
class AttackFacts:
    """What can be said of an attack without importing it.

    Parameters
    ----------
    name, path : the attack's name and "module:Class".
    title, summary : one line each.
    question : "membership" or "memorisation".
    access : what the adversary needs: "labels", "scores", or "auditor" for a check of the fitted object.
    shadows : smallest number of shadow models, 0 for none.
    tasks : tasks it serves.
    capability, edpb_row : where it stands in the coverage table.
    paper : where it comes from.
    plugin : True for an attack of another package.
    problem : why a plug-in cannot be loaded, or None.
    """

    name: str
    path: str
    title: str
    summary: str
    question: str = "membership"
    access: str = "scores"
    shadows: int = 0
    tasks: tuple[str, ...] = ("classification", "regression")
    capability: str | None = "C2"
    edpb_row: str | None = "membership inference"
    paper: str = ""
    plugin: bool = False
    problem: str | None = None


_HERE = "seepage.attacks.membership"

_BUILT_IN: dict[str, AttackFacts] = {
    entry.name: entry
    for entry in (
        AttackFacts(
            "membership/lira",
            f"{_HERE}.lira:LiRA",
            "Membership by likelihood ratio (LiRA)",
            "compares the score with Gaussians from models trained with and without the record",
            shadows=8,
            paper="Carlini et al. 2022, arXiv 2112.03570",
        ),
        AttackFacts(
            "membership/rmia",
            f"{_HERE}.rmia:RMIA",
            "Membership by relative probability (RMIA)",
            "compares the record's probability with its usual one; works with few shadow models",
            shadows=2,
            paper="Zarifzadeh et al. 2024, arXiv 2312.03262",
        ),
        AttackFacts(
            "membership/bavaria",
            f"{_HERE}.bavaria:BaVarIA",
            "Membership by likelihood ratio with a learnt prior (BaVarIA)",
            "compares the score with models with and without the record, steadied by what all records show",
            shadows=2,
            paper="Brännvall 2026, arXiv 2603.11799",
        ),
        AttackFacts(
            "membership/base",
            f"{_HERE}.base:BASE",
            "Membership by loss against its usual value (BASE)",
            "compares the loss with the log-mean-exp of shadow models' losses; works with few shadow models",
            shadows=2,
            paper="Lassila et al. 2025, arXiv 2505.24089",
        ),
        AttackFacts(
            "membership/attack-r",
            f"{_HERE}.attack_r:AttackR",
            "Membership by p-value among reference models (attack R)",
            "asks how few models without the record fit it as well as this one does",
            shadows=4,
            paper="Ye et al. 2022, arXiv 2111.09679",
        ),
        AttackFacts(
            "membership/calibration",
            f"{_HERE}.calibration:Calibration",
            "Membership by loss calibrated for difficulty",
            "compares the loss with its mean over models without the record",
            shadows=2,
            paper="Watson et al. 2022, arXiv 2111.08440",
        ),
        AttackFacts(
            "membership/quantile",
            f"{_HERE}.quantile:Quantile",
            "Membership by quantile regression",
            "learns from nonmembers what score to expect of a record like this one; no shadow model",
            paper="Bertran et al. 2023, arXiv 2307.03694",
        ),
        AttackFacts(
            "membership/modified-entropy",
            f"{_HERE}.entropy:ModifiedEntropy",
            "Membership by modified entropy",
            "takes confident and right class scores for a sign of membership",
            tasks=("classification",),
            paper="Song & Mittal 2021, arXiv 2003.10595",
        ),
        AttackFacts(
            "membership/loss",
            f"{_HERE}.loss:Loss",
            "Membership by loss",
            "takes a small loss for a sign of membership",
            paper="Yeom et al. 2018, arXiv 1709.01604",
        ),
        AttackFacts(
            "membership/gradient-norm",
            f"{_HERE}.gradient:GradientNorm",
            "Membership by norm of the gradient",
            "takes a small gradient of the loss for a sign of membership; torch modules whose weights are known",
            access="weights",
            capability="C4",
            paper="Nasr et al. 2019, arXiv 1812.00910",
        ),
        AttackFacts(
            "membership/transfer",
            f"{_HERE}.transfer:Transfer",
            "Membership by transfer of adversarial changes",
            "asks whether the label survives changes that fool imitations of the model; a few labels a record",
            access="labels",
            tasks=("classification",),
            capability="C3",
            paper="Peng et al. 2024, arXiv 2405.16978",
        ),
        AttackFacts(
            "membership/boundary",
            f"{_HERE}.boundary:Boundary",
            "Membership by distance to the decision boundary",
            "searches the nearest place where the label changes; many labels a record",
            access="labels",
            tasks=("classification",),
            capability="C3",
            paper="Choquette-Choo et al. 2021, arXiv 2007.14321",
        ),
        AttackFacts(
            "membership/noise-robustness",
            f"{_HERE}.noise:NoiseRobustness",
            "Membership by robustness of the label to noise",
            "counts the noisy copies of a record that keep its label; needs labels only",
            access="labels",
            tasks=("classification",),
            capability="C3",
            paper="Choquette-Choo et al. 2021, arXiv 2007.14321",
        ),
        AttackFacts(
            "membership/gap",
            f"{_HERE}.gap:Gap",
            "Membership by right or wrong label",
            "takes a right label for a sign of membership; needs labels only",
            access="labels",
            tasks=("classification",),
            capability="C3",
            paper="Yeom et al. 2018, arXiv 1709.01604",
        ),
        AttackFacts(
            "membership/structural",
            f"{_HERE}.structural:Structural",
            "Structural check of the fitted model",
            "looks inside the model for small groups, stored rows, too many parameters and risky settings",
            access="auditor",
            capability="C23",
            edpb_row=None,
            paper="Preen & Smith 2025, arXiv 2502.09396",
        ),
        AttackFacts(
            "membership/tail",
            f"{_HERE}.tail:Tail",
            "Members missing from the tail of large losses",
            "counts the nonmembers whose loss hardly any member has; a first look without shadow models",
            access="auditor",
            capability="C23",
            edpb_row=None,
            paper="Dodd et al. 2025, arXiv 2510.19773",
        ),
        AttackFacts(
            "membership/loss-trace",
            f"{_HERE}.loss_trace:LossTrace",
            "Spread of each member's loss over training (LT-IQR)",
            "ranks members by how far their loss fell during training; no shadow model",
            access="auditor",
            capability="C12",
            edpb_row=None,
            paper="Pollock et al. 2025, arXiv 2411.05743",
        ),
        AttackFacts(
            "memorisation/influence",
            "seepage.attacks.memorisation.influence:Memorisation",
            "Memorisation of each record, and whom it helps",
            "compares models with and without each record, and lists those that are memorised",
            question="memorisation",
            access="auditor",
            shadows=8,
            capability="C12",
            edpb_row=None,
            paper="Feldman & Zhang 2020, arXiv 2008.03703",
        ),
    )
}

_WHITE_BOX = "membership/gradient-norm"
_COSTLY = (_WHITE_BOX, "membership/transfer", "membership/boundary", "membership/noise-robustness")

_KIN = ("membership/base", "membership/attack-r", "membership/calibration")
_THOROUGH = ("membership/tail", "memorisation/influence")
_ON_REQUEST = "membership/loss-trace"  # few kinds of model can tell their epochs

PRIMARY: tuple[str, ...] = (
    "membership/bavaria",
    "membership/rmia",
    "membership/lira",
    "membership/base",
    "membership/calibration",
    "membership/attack-r",
    "membership/quantile",
    "membership/modified-entropy",
    "membership/loss",
    "membership/gradient-norm",
    "membership/transfer",
    "membership/boundary",
    "membership/noise-robustness",
    "membership/gap",
)
"""Strongest first: the first one that ran is the declared endpoint, the only one that decides without correction."""

PRESETS: dict[str, tuple[str, ...]] = {
    "quick": tuple(
        name for name in _BUILT_IN if name not in ("membership/quantile", *_KIN, *_COSTLY, *_THOROUGH, _ON_REQUEST)
    ),
    "standard": tuple(name for name in _BUILT_IN if name not in (*_KIN, *_COSTLY, *_THOROUGH, _ON_REQUEST)),
    "thorough": tuple(name for name in _BUILT_IN if name not in (_WHITE_BOX, _ON_REQUEST)),
}
"""Attacks of each preset, whatever the access; `preset_attacks` adds those that a granted rung is worth."""


def preset_attacks(preset: str, rungs: Iterable[str]) -> tuple[str, ...]:
    """Return the attacks of a preset under the granted rungs, in the order of the registry.

    Near relations of the first three (the same table read another way) are in thorough only: each attack more widens
    the corrected intervals of all. Attacks that ask the target about rows of their own belong to thorough. Where labels
    are all there is, standard has the cheapest of them, so that it finds more than the bare label does. Where weights
    are granted, standard and thorough read gradients.

    Parameters
    ----------
    preset : "quick", "standard" or "thorough".
    rungs : names of the rungs granted, with all they imply.

    Examples
    --------
    >>> "membership/noise-robustness" in preset_attacks("standard", ["labels"])
    True
    >>> "membership/noise-robustness" in preset_attacks("standard", ["labels", "scores"])
    False
    """
    granted = set(rungs)
    chosen = set(PRESETS[preset])
    if preset == "standard" and "scores" not in granted:
        chosen.add("membership/noise-robustness")
    if preset != "quick" and "weights" in granted:
        chosen.add(_WHITE_BOX)
    return tuple(name for name in _BUILT_IN if name in chosen)


@cache
def _plugins() -> dict[str, EntryPoint]:
    """Return third-party attacks by name; a built-in name cannot be taken over."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _BUILT_IN}


def attack_names() -> tuple[str, ...]:
    """Return every attack's name: the built-in ones, then those of other packages in alphabetical order.

    Examples
    --------
    >>> attack_names()[:2]
    ('membership/lira', 'membership/rmia')
    """
    return (*_BUILT_IN, *sorted(_plugins()))


def facts(name: str) -> AttackFacts:
    """Return what is known of an attack. A built-in one is not imported; a plug-in is, to ask it.

    A plug-in that cannot be imported comes back with its `problem`, so that `list` shows it.

    Raises
    ------
    InputError
        For an unknown name.

    Examples
    --------
    >>> facts("membership/gap").access
    'labels'
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    point = _plugins().get(name)
    if point is None:
        raise _unknown(name)
    try:
        return _ask(point)
    except Exception as error:  # another package's code can fail in any way
        problem = f"{type(error).__name__}: {error}"
        return AttackFacts(
            name,
            point.value,
            name,
            f"cannot be loaded: {problem}",
            capability=None,
            edpb_row=None,
            plugin=True,
            problem=problem,
        )


def load_attack(name: str, **settings: Any) -> Attack:
    """Import an attack and make it with the given parameters.

    Raises
    ------
    InputError
        For an unknown name, an unknown parameter, a parameter that is refused, or a plug-in that cannot be loaded.

    Examples
    --------
    >>> load_attack("membership/rmia", a=0.5).a
    0.5
    """
    kind = _class(name)
    known = tuple(_defaults(kind))
    for setting in settings:
        if setting not in known:
            takes = f"It takes: {', '.join(known)}." if known else "It takes none."
            raise InputError(f"{name} has no parameter {setting!r}.{did_you_mean(setting, known)} {takes}")
    try:
        attack: Attack = kind(**settings)
    except InputError:
        raise
    except TypeError as error:
        raise InputError(f"{name} cannot be made with {settings!r}: {error}") from error
    return attack


def parameters(name: str) -> dict[str, Any]:
    """Return an attack's parameters with their default values; imports it.

    Examples
    --------
    >>> parameters("membership/lira")
    {'mode': 'auto', 'variance': 'auto'}
    """
    return _defaults(_class(name))


def _class(name: str) -> Any:
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].path.partition(":")
        return getattr(import_module(module), attribute)
    point = _plugins().get(name)
    if point is None:
        raise _unknown(name)
    try:
        return point.load()
    except Exception as error:
        package = point.dist.name if point.dist else point.value
        raise InputError(
            f"the attack {name!r} of the package {package!r} cannot be loaded ({type(error).__name__}: {error}). "
            "Repair or uninstall that package."
        ) from error


def _unknown(name: str) -> InputError:
    known = attack_names()
    return InputError(f"unknown attack {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")


def _defaults(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind) if field.init}


def _ask(point: EntryPoint) -> AttackFacts:
    """Import a plug-in and ask what it needs."""
    from seepage.spec import AuditSpec, parse_access
    from seepage.spec import Task as Tasks

    kind = point.load()
    needs = kind().needs(AuditSpec(parse_access("scores"), Tasks.CLASSIFICATION))
    first = (inspect.getdoc(kind) or "").strip().splitlines()
    is_membership = kind.question == "membership" and not needs.auditor
    return AttackFacts(
        point.name,
        point.value,
        kind.title,
        first[0].rstrip(".") if first else kind.title,
        question=kind.question,
        access="auditor" if needs.auditor else needs.access.value,
        shadows=needs.shadows,
        tasks=tuple(task.value for task in needs.tasks),
        capability={"labels": "C3", "scores": "C2"}.get(needs.access.value, "C4") if is_membership else None,
        edpb_row="membership inference" if is_membership else None,
        paper=kind.paper,
        plugin=True,
    )
