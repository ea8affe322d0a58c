"""From a configuration to a prepared audit: open the model, read the tables, find the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seepage.cli.configure import options_of
from seepage.errors import InputError
from seepage.spec import Access, Task

if TYPE_CHECKING:
    from seepage.api.session import Prepared
    from seepage.records import Records
    from seepage.spec.config import AuditConfig, RecipeTable

__all__ = ["native_of", "prepare_from"]


def prepare_from(config: AuditConfig) -> Prepared:
    """Open what the file names and prepare its audit; nothing is trained unless there is no model yet.

    Raises
    ------
    InputError
        When a file, a column or a value is not what the configuration says.
    """
    from seepage.api.session import prepare
    from seepage.records import Provenance
    from seepage.spec.config import to_attacks, to_release

    data = config.data
    model = None if config.target.model is None else _model(config)
    native = data.native or native_of(model)
    tables: dict[str, Any] = {
        name: None if path is None else _records(config, path, native)
        for name, path in (("members", data.members), ("nonmembers", data.nonmembers), ("data", data.data))
    }
    population = None if data.population is None else _records(config, data.population, native)
    provenance = Provenance(data.provenance, data.dates, data.sites, data.used_for_tuning)
    return prepare(
        model,
        **tables,
        access=config.target.access,
        holdout=data.holdout,
        recipe=_recipe(config),
        imported=_imported(config, tables, population),
        shadows=config.audit.shadows,
        attacks=to_attacks(config),
        release=to_release(config),
        profile=config.profile.name,
        law=tuple(config.profile.law),
        provenance=None if provenance == Provenance() else str(provenance),
        task=config.target.task,
        seed=config.audit.seed,
        options=options_of(
            config.options,
            config.audit.preset,
            audit=config.audit,
            population=population,
            loss_trace=_loss_trace(config),
        ),
    )


def native_of(model: Any) -> str | None:
    """Return the kind of table that the model was fitted on, as far as it tells; None leaves the table as it is.

    An estimator that remembers column names had a table with names; one that remembers only their number had an
    array.
    """
    if isinstance(getattr(model, "n_features_in_", None), int):
        if getattr(model, "feature_names_in_", None) is None:
            return "numpy"
        return "pandas" if find_spec("pandas") is not None else "polars"
    return None


def _model(config: AuditConfig) -> Any:
    """Open the model: the fitted object where there is one to be had, else a target that only answers."""
    from seepage.targets import load_target

    target, source = config.target, str(config.target.model)

    opened = load_target(
        source,
        access=target.access,
        task=target.task,
        classes=target.classes,
        base_dir=config.base_dir,
        trust_pickle=config.options.trust_pickle,
        trusted_types=tuple(target.trusted_types),
        options=_target_options(config),
    )
    return opened.under(Access.WEIGHTS).inside() if Access.WEIGHTS in opened.offers else opened


def _target_options(config: AuditConfig) -> dict[str, Any]:
    target = config.target
    return {
        "name": target.name,
        "factory": target.factory,
        "batch_size": target.batch_size,
        "id": config.data.id,
        "endpoint": None if target.endpoint is None else target.endpoint.options,
    }


def _records(config: AuditConfig, name: str, native: Any) -> Records:
    from seepage.records import load_table, records_from_table

    data = config.data
    try:
        return records_from_table(
            load_table(config.resolve(name)),
            label=data.label,
            id=data.id,
            person=data.person,
            roles=data.roles or None,
            native=native,
        )
    except InputError as error:
        if name in str(error):
            raise
        raise InputError(f"{name}: {error}") from None


def _loss_trace(config: AuditConfig) -> Any:
    if config.data.loss_trace is None:
        return None
    import numpy as np

    place = config.resolve(config.data.loss_trace)
    try:
        return np.load(place, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"loss_trace {config.data.loss_trace!r} is no .npy file of numbers: {error}") from None


def _recipe(config: AuditConfig) -> Any:
    recipe = config.recipe
    if recipe is None or recipe.shadow_scores is not None:
        return None
    if recipe.function is not None:
        from seepage.training import recipe_from_string

        return recipe_from_string(recipe.function, config.base_dir)
    if recipe.surrogate is not None:
        from seepage.training import surrogate

        return surrogate(recipe.surrogate, _task(config, "a surrogate"))
    return _command(config, recipe)


def _imported(config: AuditConfig, tables: Mapping[str, Any], population: Records | None) -> Any:
    """Read shadow models that someone else trained, in the order in which the audit keeps its records."""
    if config.recipe is None or config.recipe.shadow_scores is None:
        return None
    members, nonmembers = tables["members"], tables["nonmembers"]
    if members is None or nonmembers is None:
        raise InputError("[recipe] shadow_scores needs members and nonmembers in [data]: the rows that were scored.")
    from seepage.auditing.case import Imported
    from seepage.records import concat, make_split
    from seepage.training import load_shadow_scores

    source = config.recipe.shadow_scores
    split = make_split(members, nonmembers, population=population)
    records = concat(split.members, split.nonmembers)
    if split.population is not None:
        records = concat(records, split.population)
    import numpy as np

    classes = None if config.target.classes is None else np.asarray(config.target.classes)
    signals = load_shadow_scores(config.resolve(source), records, task=_task(config, "shadow scores"), classes=classes)
    return Imported(signals, source)


def _command(config: AuditConfig, recipe: RecipeTable) -> Any:
    from seepage.training import CommandRecipe

    given: dict[str, Any] = {
        "timeout": recipe.timeout,
        "version": recipe.version,
        "label": config.data.label,
    }
    return CommandRecipe(
        str(recipe.command),
        task=_task(config, "a command"),
        base_dir=Path(config.base_dir),
        **{key: value for key, value in given.items() if value is not None},
    )


def _task(config: AuditConfig, what: str) -> Task:
    if config.target.task is None:
        raise InputError(
            f'[recipe] gives {what}, and [target] names no task. Write task = "classification" or "regression".'
        )
    return config.target.task
