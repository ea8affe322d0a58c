"""`audit.toml`: the tables a user writes, read strictly and turned into an AuditSpec.

Needs pydantic and is imported only when a file is read. Paths in the file are relative to it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from seepage.errors import InputError, did_you_mean
from seepage.spec.access import Access, Task, closure, parse_access
from seepage.spec.auditspec import BOUNDED_METRICS, DEFAULT_PRIORS, PRESET_SHADOWS, AttackSpec, AuditSpec, Release
from seepage.spec.problems import describe

__all__ = ["AuditConfig", "RunOptions", "parse_config", "read_config", "to_attacks", "to_release", "to_spec"]

ROLES = ("identifier", "quasi-identifier", "sensitive", "insensitive")
CONTEXTS = ("public-api", "internal", "open-weights", "data-release")
PROFILES = ("health", "finance", "employment", "recommender", "research")
LAWS = ("gdpr", "dpdp")
SURROGATES = ("forest", "boosting", "linear", "mlp")


def _one_of(known: Iterable[str], what: str) -> BeforeValidator:
    choices = tuple(known)

    def check(value: Any) -> Any:
        if value not in choices:
            near = did_you_mean(str(value), choices)
            raise ValueError(f"unknown {what} {value!r}.{near} Known: {', '.join(choices)}.")
        return value

    return BeforeValidator(check)


def _rungs(value: Any) -> tuple[Access, ...]:
    if not isinstance(value, (str, list, tuple)):
        raise ValueError(f"access must be a name or a list of names (got {value!r}).")
    return parse_access(value)


def _task(value: Any) -> Task:
    known = [task.value for task in Task]
    if isinstance(value, Task):
        return value
    if value not in known:
        raise ValueError(f"unknown task {value!r}.{did_you_mean(str(value), known)} Known: {', '.join(known)}.")
    return Task(value)


def _shadow_count(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value < 2:
        raise ValueError(f"shadows must be at least 2 (got {value}): one model has no out-distribution.")
    return value


def _role(value: Any) -> Any:
    base = value.partition(":")[0] if isinstance(value, str) else value
    if base not in ROLES:
        near = did_you_mean(str(base), ROLES)
        raise ValueError(
            f"unknown role {value!r}.{near} Known: {', '.join(ROLES)}; sensitive may name a kind: sensitive:health."
        )
    return value


def _tolerable(value: Any) -> Any:
    """Turn the TOML spelling `tpr_at_fpr_0_001` into the metric's name `tpr_at_fpr_0.001`."""
    if not isinstance(value, dict):
        return value
    named: dict[str, Any] = {}
    for key, bound in value.items():
        name = re.sub(r"_0_(\d+)$", r"_0.\1", str(key))
        if name not in BOUNDED_METRICS:
            spelled = [metric.replace(".", "_") for metric in BOUNDED_METRICS]
            near = did_you_mean(str(key), spelled)
            raise ValueError(f"unknown metric {key!r}.{near} Known: {', '.join(spelled)}.")
        named[name] = bound
    return named


Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[list[str], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EndpointTable(_Table):
    """[target.endpoint]: how to ask a model behind an address. Secrets come from the environment only."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def options(self) -> dict[str, Any]:
        """Everything in the table, as the endpoint target takes it."""
        return dict(self.model_extra or {})


class TargetTable(_Table):
    """[target]: the trained model and what the adversary gets of it."""

    model: str | None = None
    access: Annotated[
        tuple[Access, ...],
        BeforeValidator(_rungs),
        Field(
            description="Say what the adversary gets of the model, for example "
            'access = ["labels", "scores"]; it is never inferred.'
        ),
    ]
    task: Annotated[Task, BeforeValidator(_task)] | None = None
    name: str | None = None
    classes: list[str | int | float | bool] | None = None
    factory: str | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    trusted_types: list[str] = []
    endpoint: EndpointTable | None = None


class RecipeTable(_Table):
    """[recipe]: how a model like the target is made; exactly one way."""

    function: str | None = None
    command: str | None = None
    surrogate: Annotated[str, _one_of(SURROGATES, "surrogate")] | None = None
    shadow_scores: str | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    version: str | None = None


class DataTable(_Table):
    """[data]: who was in, who was out, and what the columns are."""

    members: str | None = None
    nonmembers: str | None = None
    data: str | None = None
    holdout: Share | None = None
    population: str | None = None
    loss_trace: str | None = None
    label: str | None = None
    id: str | None = None
    person: str | None = None
    native: Literal["polars", "pandas", "numpy"] | None = None
    provenance: str | None = None
    dates: str | None = None
    sites: str | None = None
    used_for_tuning: bool | None = None
    roles: dict[str, Annotated[str, BeforeValidator(_role)]] = {}


class ReleaseTable(_Table):
    """[release]: the setting the model is released into; declared, never inferred."""

    context: Annotated[str, _one_of(CONTEXTS, "context")] | None = None
    recipients: str | None = None
    participation_means: str | None = None
    priors: Annotated[list[Share], Field(min_length=1)] = list(DEFAULT_PRIORS)
    tolerable: Annotated[dict[str, Rate], BeforeValidator(_tolerable)] = {}


class AuditTable(_Table):
    """[audit]: which attacks, how many shadow models, which seed."""

    preset: Annotated[str, _one_of(PRESET_SHADOWS, "preset")] = "standard"
    attacks: Names | None = None
    shadows: Annotated[int, BeforeValidator(_shadow_count)] | None = None
    rotations: Annotated[int, Field(ge=0)] = 0
    disjoint_shadows: bool | None = None
    seed: Annotated[int, Field(ge=0)] = 0


class AttackTable(_Table):
    """[[attack]]: the parameters of one attack; the attack itself knows which it takes."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Annotated[str, Field(description='Name the attack, for example name = "membership/lira".')]

    @property
    def parameters(self) -> dict[str, Any]:
        """Every key but the name."""
        return dict(self.model_extra or {})


class ProfileTable(_Table):
    """[profile]: how much harm a leak does here, and whose law applies."""

    name: Annotated[str, _one_of(PROFILES, "profile")] = "research"
    law: list[Annotated[str, _one_of(LAWS, "law")]] = ["gdpr"]


class DefenceTable(_Table):
    """[[defence]]: one defence with its grid of strengths, for a comparison."""

    name: Annotated[str, Field(description='Name the defence, for example name = "training/dp-sgd".')]
    strengths: dict[str, list[int | float | str | bool]] = {}


@dataclass(frozen=True)
class RunOptions:
    """Where and how long to work; belongs to the machine, never to the file.

    Parameters
    ----------
    store : folder of the store; None means `.seepage` beside the working directory.
    engine : "local", "ray[=ADDRESS]" or "dask[=ADDRESS]"; None means "local".
    jobs : processes at once; None means the machine's cores.
    budget : as "90s", "10m" or "1h": the number of shadow models is cut to fit; None means no limit.
    trust_pickle : leave to open files whose opening can run code.
    """

    store: Path | None = None
    engine: str | None = None
    jobs: int | None = None
    budget: str | None = None
    trust_pickle: bool = False


class AuditConfig(_Table):
    """A whole `audit.toml`. Read one with `read_config`."""

    target: Annotated[TargetTable, Field(description="Say which model, and what the adversary gets of it.")]
    recipe: RecipeTable | None = None
    data: Annotated[DataTable, Field(description="Name the tables of members and nonmembers.")]
    release: ReleaseTable = ReleaseTable()
    audit: AuditTable = AuditTable()
    attack: list[AttackTable] = []
    profile: ProfileTable = ProfileTable()
    defence: list[DefenceTable] = []

    _path: Path = PrivateAttr(default=Path("audit.toml"))
    _options: RunOptions = PrivateAttr(default=RunOptions())

    @property
    def path(self) -> Path:
        """The file that was read."""
        return self._path

    @property
    def base_dir(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self._path.parent

    @property
    def options(self) -> RunOptions:
        """Where and how long to work."""
        return self._options

    def resolve(self, name: str) -> Path:
        """Return a path named in the file as seen from the working directory."""
        return self.base_dir / name

    def with_options(self, options: RunOptions, **audit: Any) -> Self:
        """Return a copy with run options, and with the given keys of [audit] in place of the file's.

        A key given as None leaves the file's value.

        Raises
        ------
        InputError
            For a value that [audit] would not take.
        """
        given = {key: value for key, value in audit.items() if value is not None}
        try:
            table = AuditTable.model_validate({**self.audit.model_dump(), **given})
        except ValidationError as error:
            raise InputError("; ".join(_problems(error, under=("audit",)))) from None
        copy = self.model_copy(update={"audit": table})
        copy._path, copy._options = self._path, options
        _refuse(_inconsistencies(copy), "the options given")
        return copy


def read_config(path: str | Path) -> AuditConfig:
    """Read an `audit.toml`.

    Parameters
    ----------
    path : the file.

    Raises
    ------
    InputError
        When the file is absent, is no TOML, or says something that cannot be: every problem is listed, with the
        table it stands in.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"there is no file {str(file)!r}. `seepage init` writes one with comments.") from None
    except IsADirectoryError:
        raise InputError(
            f"{str(file)!r} is a folder. Name the file in it, for example {file / 'audit.toml'}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)!r} cannot be read: {error}.") from None
    return parse_config(text, file)


def parse_config(text: str, path: str | Path = "audit.toml") -> AuditConfig:
    """Read the text of an `audit.toml`; `path` is what its relative paths are relative to.

    Examples
    --------
    >>> config = parse_config('''
    ... [target]
    ... model = "model.skops"
    ... access = "scores"
    ... [data]
    ... members = "train.parquet"
    ... nonmembers = "holdout.parquet"
    ... label = "income"
    ... ''')
    >>> config.audit.preset, [rung.value for rung in config.target.access]
    ('standard', ['scores'])
    """
    file = Path(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file} is not valid TOML: {error}.") from None
    try:
        config = AuditConfig.model_validate(raw)
    except ValidationError as error:
        _refuse(_problems(error), str(file))
        raise
    config._path = file
    _refuse(_inconsistencies(config), str(file))
    return config


def to_spec(config: AuditConfig, *, task: Task | None = None) -> AuditSpec:
    """Return what the configuration says about the audit, without data or model.

    `task` stands in when the file names none. `[[attack]]` parameters without a list of attacks join the preset's.

    Raises
    ------
    InputError
        When neither the file nor the caller knows the task.
    """
    found = config.target.task or task
    if found is None:
        raise InputError('[target] names no task. Write task = "classification" or task = "regression".')
    return AuditSpec(
        access=config.target.access,
        task=found,
        attacks=to_attacks(config),
        preset=config.audit.preset,
        shadows=config.audit.shadows,
        rotations=config.audit.rotations,
        disjoint_shadows=config.audit.disjoint_shadows,
        seed=config.audit.seed,
        release=to_release(config),
        profile=config.profile.name,
        law=tuple(config.profile.law),
        provenance=config.data.provenance,
    )


def to_release(config: AuditConfig) -> Release:
    """Return what [release] declares."""
    release = config.release
    return Release(
        context=release.context,
        recipients=release.recipients,
        participation_means=release.participation_means,
        priors=tuple(release.priors),
        tolerable=dict(release.tolerable),
    )


def to_attacks(config: AuditConfig) -> tuple[AttackSpec, ...] | None:
    """Return the attacks asked for with their parameters, or None for the preset's as they are."""
    parameters = {table.name: table.parameters for table in config.attack}
    names = config.audit.attacks
    if names is None and not parameters:
        return None
    if names is None:
        from seepage._registry import preset_attacks

        granted = [rung.value for rung in closure(config.target.access)]
        names = [*preset_attacks(config.audit.preset, granted), *parameters]
    return tuple(AttackSpec(name, parameters.get(name, {})) for name in dict.fromkeys(names))


def _tables() -> dict[tuple[str, ...], type[BaseModel]]:
    return {
        (): AuditConfig,
        ("target",): TargetTable,
        ("target", "endpoint"): EndpointTable,
        ("recipe",): RecipeTable,
        ("data",): DataTable,
        ("release",): ReleaseTable,
        ("audit",): AuditTable,
        ("attack",): AttackTable,
        ("profile",): ProfileTable,
        ("defence",): DefenceTable,
    }


def _problems(error: ValidationError, under: tuple[str, ...] = ()) -> list[str]:
    known = {place: list(model.model_fields) for place, model in _tables().items()}
    known["data", "roles"] = []
    hints = {
        (*place, name): info.description
        for place, model in _tables().items()
        for name, info in model.model_fields.items()
        if info.description
    }
    errors: list[Mapping[str, Any]] = [{**item, "loc": (*under, *item["loc"])} for item in error.errors()]
    return list(dict.fromkeys(describe(errors, known, hints)))


def _inconsistencies(config: AuditConfig) -> list[str]:
    """What each table says may be fine and the whole still impossible; list all of it."""
    target, recipe, data = config.target, config.recipe, config.data
    found: list[str] = []
    by_hand = data.members is not None or data.nonmembers is not None
    by_split = data.data is not None or data.holdout is not None
    if by_hand and by_split:
        found.append("[data] names members/nonmembers and also data/holdout. Keep one of the two ways.")
    elif not by_hand and not by_split:
        found.append("[data] names no tables. Give members and nonmembers, or data and holdout.")
    elif by_hand and data.members is None:
        found.append("key 'members' is missing in [data]: the rows the model was trained on.")
    elif by_hand and data.nonmembers is None:
        found.append("key 'nonmembers' is missing in [data]: rows from the same source that the model never saw.")
    elif by_split and data.data is None:
        found.append("key 'data' is missing in [data]: holdout needs the whole table to split.")
    elif by_split and data.holdout is None:
        found.append(
            "key 'holdout' is missing in [data]: the share to keep out of training, for example holdout = 0.5."
        )
    if data.label is None and target.task is not Task.GENERATION:
        found.append("key 'label' is missing in [data]: the column that the model predicts.")
    if target.model is None and not (by_split and recipe is not None):
        found.append(
            "key 'model' is missing in [target]. Name the trained model, or give a [recipe] with data and holdout "
            "so that seepage trains one."
        )
    if target.model is not None and target.model.endswith(".safetensors") and target.factory is None:
        found.append(
            "key 'factory' is missing in [target]: .safetensors holds numbers only. "
            'Name the function that builds the module, for example factory = "net.py:build".'
        )
    if target.endpoint is not None and not str(target.model).startswith(("http://", "https://")):
        found.append(f"[target.endpoint] is for a model behind an address (model is {target.model!r}).")
    if recipe is not None:
        found += _recipe_problems(recipe)
    return found + _attack_problems(config)


def _recipe_problems(recipe: RecipeTable) -> list[str]:
    ways = ("function", "command", "surrogate", "shadow_scores")
    given = [way for way in ways if getattr(recipe, way) is not None]
    found = []
    if len(given) != 1:
        seen = ", ".join(given) or "none"
        found.append(f"[recipe] needs exactly one of {', '.join(ways)} (got {seen}).")
    return found


def _attack_problems(config: AuditConfig) -> list[str]:
    names = [table.name for table in config.attack]
    found = [
        f"[[attack]] names {name!r} {names.count(name)} times. Keep one."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    listed = config.audit.attacks
    if listed is not None:
        found += [
            f"[[attack]] gives parameters for {name!r}, which attacks in [audit] does not list."
            f"{did_you_mean(name, listed)} Add it there or remove them."
            for name in dict.fromkeys(names)
            if name not in listed
        ]
    return found


def _refuse(problems: list[str], where: str) -> None:
    if len(problems) == 1:
        raise InputError(f"{where}: {problems[0]}")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise InputError(f"{where} has {len(problems)} problems:\n{lines}")
