"""From a file and options to one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seepage.cli.options import split_names
from seepage.cli.runs import store_path
from seepage.errors import InputError

if TYPE_CHECKING:
    from seepage.api.options import Options
    from seepage.spec.config import AuditConfig, AuditTable, RunOptions

__all__ = ["configure", "options_of", "run_options"]


def run_options(
    *,
    store: Path | None,
    engine: str | None = None,
    jobs: int | None = None,
    budget: str | None = None,
    trust_pickle: bool = False,
) -> RunOptions:
    """Return where and how long to work, checked.

    Raises
    ------
    InputError
        For an unknown engine, no processes, or a budget that is no length of time.
    """
    from seepage.api.options import parse_budget
    from seepage.spec.config import RunOptions

    name, given, address = (engine or "local").partition("=")
    if name not in ("local", "ray", "dask") or (given and (name == "local" or not address)):
        raise InputError(f"unknown engine {engine!r}. Known: local, ray[=ADDRESS], dask[=ADDRESS].")
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs must be at least 1 (got {jobs}).")
    parse_budget(budget)
    return RunOptions(store=store_path(store), engine=engine, jobs=jobs, budget=budget, trust_pickle=trust_pickle)


def configure(
    config: Path,
    *,
    store: Path | None,
    engine: str | None,
    jobs: int | None,
    budget: str | None,
    trust_pickle: bool,
    seed: int | None,
    preset: str | None,
    shadows: int | None,
    attacks: list[str] | None,
) -> AuditConfig:
    """Read `audit.toml` and lay the given options over it."""
    from seepage.spec.config import read_config

    options = run_options(store=store, engine=engine, jobs=jobs, budget=budget, trust_pickle=trust_pickle)
    names = split_names(attacks)
    return read_config(config).with_options(options, seed=seed, preset=preset, shadows=shadows, attacks=names)


def options_of(
    settings: RunOptions,
    preset: str,
    *,
    audit: AuditTable | None = None,
    population: Any = None,
    loss_trace: Any = None,
) -> Options:
    """Return run options as the Python door takes them, with progress on stderr."""
    from seepage.api.options import Options
    from seepage.work import RichProgress

    return Options(
        store=settings.store,
        engine=settings.engine or "local",
        jobs=settings.jobs,
        budget=settings.budget,
        preset=preset,
        population=population,
        loss_trace=loss_trace,
        rotations=0 if audit is None else audit.rotations,
        disjoint_shadows=None if audit is None else audit.disjoint_shadows,
        progress=RichProgress(),
    )
