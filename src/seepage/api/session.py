"""One audit from inputs to result: build the case, plan, run, judge, and assemble the document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

from seepage import _registry
from seepage.api.options import Options
from seepage.api.result import Audit
from seepage.errors import InputError, did_you_mean
from seepage.findings.profiles import profile as find_profile
from seepage.spec import BOUNDED_METRICS, AttackSpec, AuditSpec, Release, Task, closure, parse_access

if TYPE_CHECKING:
    from seepage.attacks.protocol import Attack
    from seepage.auditing.case import Case, Resources
    from seepage.auditing.plan import Plan
    from seepage.records import Split
    from seepage.targets import Guarded
    from seepage.training.table import Recipe

__all__ = ["Prepared", "audit", "make_spec", "prepare", "run"]


@dataclass(frozen=True)
class Prepared:
    """An audit that is ready to run: its case, attacks and resources."""

    case: Case
    attacks: tuple[Attack, ...]
    resources: Resources
    owner: Mapping[str, Any]

    def plan(self, *, timed: bool = True) -> Plan:
        """Say what will run and what it costs; with `timed`, a few models are trained to find out.

        What was found out about training is kept in the store: a plan or audit that follows does not measure again.
        """
        from seepage.auditing.plan import make_plan
        from seepage.auditing.trial import measure_costs

        if not timed:
            return make_plan(self.case, self.attacks, self.resources)
        untimed = make_plan(self.case, self.attacks, self.resources)
        costs = measure_costs(self.case, untimed, self.resources)
        return make_plan(self.case, self.attacks, self.resources, costs=costs)


def audit(
    model: Any = None,
    members: Any = None,
    nonmembers: Any = None,
    *,
    access: Any = None,
    data: Any = None,
    holdout: float | None = None,
    recipe: Any = None,
    shadows: int | None = None,
    attacks: Sequence[str | Attack] | None = None,
    release: Release | Mapping[str, Any] | None = None,
    profile: str | None = None,
    provenance: str | None = None,
    task: Task | str | None = None,
    seed: int = 0,
    options: Options | None = None,
) -> Audit:
    """Audit a trained model for what it gives away about the people in its training data.

    The model is attacked as an adversary with the declared access would, each result is measured with its
    interval beside a baseline and a control, and judged by the rules of the project (see `seepage explain`).

    Parameters
    ----------
    model : a fitted estimator or pipeline, a function x → scores, a torch module, or a target from
        `seepage.targets`. With `data` and `holdout`: an estimator or `fit(X, y, seed)` still to be trained.
    members, nonmembers : (X, y) or `seepage.Records`: rows the model was trained on, and rows it never saw.
    access : "labels", "scores", "weights", or several rungs of the release ladder. Required; never inferred.
    data, holdout : instead of members and nonmembers: one table, and the share of persons to hold out.
    recipe : how such a model is trained; a scikit-learn-like estimator needs none: it is cloned.
    shadows : number of shadow models; the preset's (16) if None.
    attacks : names or attack objects; None means the preset.
    release : the release context, a `Release` or a mapping with its fields.
    profile : "health", "finance", "employment", "recommender" or "research".
    provenance : where the nonmembers come from, whether they served for tuning; printed.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        Wrong input: the message says what was wrong, the value seen and what to do.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> import seepage
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = RandomForestClassifier(10, random_state=0).fit(X[::2], y[::2])
    >>> audit = seepage.audit(model, (X[::2], y[::2]), (X[1::2], y[1::2]), access="scores", shadows=8)
    >>> audit.evidence["membership/lira"].metrics["auc"].n
    568
    """
    prepared = prepare(
        model,
        members,
        nonmembers,
        access=access,
        data=data,
        holdout=holdout,
        recipe=recipe,
        shadows=shadows,
        attacks=attacks,
        release=release,
        profile=profile,
        provenance=provenance,
        task=task,
        seed=seed,
        options=options,
    )
    return run(prepared)


def prepare(
    model: Any = None,
    members: Any = None,
    nonmembers: Any = None,
    *,
    access: Any = None,
    data: Any = None,
    holdout: float | None = None,
    recipe: Any = None,
    imported: Any = None,
    shadows: int | None = None,
    attacks: Sequence[Any] | None = None,
    release: Any = None,
    profile: str | None = None,
    law: Sequence[str] = ("gdpr",),
    provenance: Any = None,
    task: Task | str | None = None,
    seed: int = 0,
    options: Options | None = None,
    owner: Mapping[str, Any] | None = None,
) -> Prepared:
    """Check every input and build the case; nothing is trained unless there is no model yet."""
    from seepage.auditing.case import Case
    from seepage.records import as_records, make_split
    from seepage.spec import Access
    from seepage.targets import Guarded, open_target
    from seepage.targets.open import parse_task

    options = options or Options()
    if access is None:
        raise InputError("access is required: say what the adversary gets, for example access='scores'.")
    rungs = parse_access(access)
    if model is None and recipe is None:
        raise InputError("there is no model: give a fitted model, or a recipe with data and holdout.")
    own_recipe = _recipe(model, recipe, needed=data is not None)
    population = None if options.population is None else as_records(options.population, what="population")
    if data is not None:
        if members is not None or nonmembers is not None or holdout is None:
            raise InputError("give either members and nonmembers, or data together with holdout=0.2 … 0.5.")
        split = _held_out(as_records(data, what="data"), holdout, seed, provenance, population)
        assert own_recipe is not None
        model = own_recipe.fit(split.members, seed)
    else:
        if members is None or nonmembers is None:
            raise InputError(
                "members and nonmembers are both needed: (X, y) the model was trained on, (X, y) it never saw."
            )
        split = make_split(
            as_records(members, what="members"),
            as_records(nonmembers, what="nonmembers"),
            population=population,
            provenance=_provenance(provenance),
        )
    wanted_task = parse_task(task)
    classes = _classes(split, wanted_task)
    target = (
        model if isinstance(model, Guarded) else open_target(model, access=rungs, task=wanted_task, classes=classes)
    )
    auditor = target.under(Access.WEIGHTS) if Access.WEIGHTS in target.offers else None
    _check_outcomes(split, target)
    spec = make_spec(rungs, target.task, attacks, options, shadows, seed, release, profile, law, provenance)
    case = Case(
        spec=spec,
        target=target,
        auditor=auditor,
        split=split,
        recipe=None if imported is not None else own_recipe,
        imported=imported,
        floor=_floor_of(target, split),
        loss_trace=_loss_trace(options.loss_trace, data, split),
    )
    return Prepared(case, _attacks(attacks, spec), options.resources(), owner or {})


def run(prepared: Prepared, plan: Plan | None = None, *, run_id: str | None = None) -> Audit:
    """Run a prepared audit and judge what it found."""
    from seepage.api.document import assemble
    from seepage.auditing.run import run_plan

    started = time.time()
    plan = plan or prepared.plan(timed=prepared.resources.budget is not None)
    outcome = run_plan(prepared.case, plan, prepared.resources, _registry.PRIMARY)
    return assemble(prepared, plan, outcome, started=started, run_id=run_id)


def make_spec(
    rungs: Any,
    task: Task,
    attacks: Sequence[Any] | None,
    options: Options,
    shadows: int | None,
    seed: int,
    release: Any,
    profile: str | None,
    law: Sequence[str],
    provenance: Any,
) -> AuditSpec:
    """Put what was said into a specification, checking each value."""
    if shadows is not None and shadows < 2:
        raise InputError(f"shadows must be at least 2 (got {shadows}): one model has no out-distribution.")
    given: Any = seed
    if isinstance(given, bool) or not isinstance(given, Integral) or given < 0:
        raise InputError(f"seed must be a whole number of at least 0 (got {given!r}).")
    return AuditSpec(
        access=rungs,
        task=task,
        attacks=None if attacks is None else tuple(_attack_spec(item) for item in attacks),
        preset=options.preset,
        shadows=shadows,
        rotations=options.rotations,
        disjoint_shadows=options.disjoint_shadows,
        seed=int(seed),
        release=_release(release),
        profile=find_profile(profile or "research").name,
        law=tuple(law),
        provenance=None if provenance is None else str(provenance),
    )


def _attack_spec(item: Any) -> AttackSpec:
    if isinstance(item, AttackSpec):
        return item
    return AttackSpec(item if isinstance(item, str) else item.name)


def _attacks(attacks: Sequence[Any] | None, spec: AuditSpec) -> tuple[Attack, ...]:
    if attacks is None:
        granted = [rung.value for rung in closure(spec.access)]
        return tuple(_registry.load_attack(name) for name in _registry.preset_attacks(spec.preset, granted))
    if isinstance(attacks, str):
        raise InputError(f"attacks must be a list of names (got the text {attacks!r}). Write [{attacks!r}].")
    out = []
    for item in attacks:
        if isinstance(item, AttackSpec):
            out.append(_registry.load_attack(item.name, **item.parameters))
        elif isinstance(item, str):
            out.append(_registry.load_attack(item))
        elif callable(getattr(item, "run", None)) and callable(getattr(item, "needs", None)):
            out.append(item)
        else:
            raise InputError(f"an attack is a name or an attack object (got {type(item).__name__}).")
    if not out:
        raise InputError("attacks is empty. Leave it out for the preset's, or name at least one.")
    names = [attack.name for attack in out]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{twice[0]} is named twice. Variants of one attack are parameters of one entry.")
    return tuple(out)


def _release(release: Any) -> Release:
    if release is None:
        return Release()
    if isinstance(release, Release):
        value = release
    else:
        known = [field.name for field in fields(Release)]
        for key in release:
            if key not in known:
                raise InputError(
                    f"unknown key {key!r} in release.{did_you_mean(key, known)} Known: {', '.join(known)}."
                )
        given = dict(release)
        if "priors" in given:
            given["priors"] = tuple(given["priors"])
        value = Release(**given)
    from seepage.findings.profiles import context

    context(value.context)
    for prior in value.priors:
        if not 0 < prior < 1:
            raise InputError(f"a prior is a share between 0 and 1 (got {prior!r}).")
    tolerable = {_metric_key(key): float(bound) for key, bound in value.tolerable.items()}
    for key, bound in tolerable.items():
        if not 0 <= bound <= 1:
            raise InputError(f"the tolerable value of {key} must lie between 0 and 1 (got {bound!r}).")
    return Release(value.context, value.recipients, value.participation_means, value.priors, tolerable)


def _metric_key(key: str) -> str:
    dotted = key.replace("fpr_0_", "fpr_0.")
    if dotted not in BOUNDED_METRICS:
        raise InputError(
            f"no tolerable value is used for {key!r}.{did_you_mean(key, BOUNDED_METRICS)} "
            f"Known: {', '.join(BOUNDED_METRICS)}."
        )
    return dotted


def _recipe(model: Any, recipe: Any, *, needed: bool) -> Recipe | None:
    from seepage.training import as_recipe

    if recipe is not None:
        return as_recipe(recipe)
    if needed:
        return as_recipe(model)
    if callable(getattr(model, "get_params", None)) and callable(getattr(model, "fit", None)):
        return as_recipe(model)
    return None


def _held_out(records: Any, holdout: float, seed: int, provenance: Any, population: Any) -> Split:
    from seepage.records import holdout_split, make_split

    if not 0 < holdout < 1:
        raise InputError(f"holdout is a share between 0 and 1 (got {holdout!r}).")
    inside, outside = holdout_split(records, share=holdout, seed=seed)
    said = _provenance(provenance)
    if str(said) == "not declared":
        said = _provenance(f"random split by seepage before training, {holdout:.0%} held out, seed {seed}")
    return make_split(inside, outside, population=population, provenance=said)


def _provenance(said: Any) -> Any:
    from seepage.records import Provenance

    return said if isinstance(said, Provenance) else Provenance(said)


def _classes(split: Split, task: Task | None) -> Any:
    """Class labels a bare function would use: the sorted outcomes; None where they are numbers to predict."""
    import numpy as np

    if task is Task.REGRESSION or split.members.y is None:
        return None
    y = np.asarray(split.members.y)
    if task is None and y.dtype.kind == "f" and len(np.unique(y)) > 20:
        return None
    return np.unique(np.concatenate([y, np.asarray(split.nonmembers.y)]))


def _check_outcomes(split: Split, target: Any) -> None:
    import numpy as np

    if split.members.y is None or split.nonmembers.y is None:
        raise InputError("members and nonmembers need their outcomes y: the attacker is taken to know them.")
    if target.task is not Task.CLASSIFICATION:
        return
    seen = np.unique(np.asarray(split.members.y).astype(str))
    if len(seen) < 2:
        raise InputError(f"all members have the same label ({seen[0]!r}): a classifier needs at least two classes.")
    if target.classes is None:
        return
    known = set(np.asarray(target.classes).astype(str))
    if not known & set(seen):
        raise InputError(
            f"none of the labels {', '.join(map(repr, seen[:3]))} is a class of the model "
            f"({', '.join(repr(c) for c in sorted(known)[:3])}). Give the labels as the model was trained on them."
        )


def _loss_trace(trace: Any, data: Any, split: Split) -> Any:
    if trace is None:
        return None
    if data is not None:
        raise InputError("loss_trace belongs to a model trained before: give members and nonmembers, not data.")
    from seepage.attacks.membership.loss_history import check_trace

    return check_trace(trace, split.members.n)


def _floor_of(target: Guarded, split: Split) -> float:
    """Take the floor from the model, or from the granularity of the first scores of one that cannot be opened."""
    import numpy as np

    from seepage.spec import Access

    if target.task is not Task.CLASSIFICATION or Access.SCORES not in target.access:
        return target.floor()
    if Access.WEIGHTS in target.offers:
        return target.floor()
    some = split.members.take(np.arange(min(split.members.n, 1000)))
    return target.floor(target.for_records(some).scores(some.x))
