"""`seepage plan`: what an audit would do, what it would cost, and what cannot run and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seepage.cli.configure import configure
from seepage.cli.inputs import prepare_from
from seepage.cli.options import (
    AsJson,
    Attacks,
    Budget,
    Config,
    Engine,
    Jobs,
    Preset,
    Seed,
    Shadows,
    StorePath,
    TrustPickle,
)
from seepage.cli.output import lay_out, print_json, stdout_for_the_result

__all__ = ["describe_plan", "plan"]


def plan(
    config: Config = Path("audit.toml"),
    as_json: AsJson = False,
    preset: Preset = None,
    attacks: Attacks = None,
    shadows: Shadows = None,
    seed: Seed = None,
    engine: Engine = None,
    jobs: Jobs = None,
    budget: Budget = None,
    store: StorePath = None,
    trust_pickle: TrustPickle = False,
) -> None:
    """Show the steps and what they cost.

    Names the time and memory of the whole audit and of each step, what cannot run, why, and what would make it run. A
    few models are trained to find out; the audit that follows does not measure again.
    """
    settings = configure(
        config,
        store=store,
        engine=engine,
        jobs=jobs,
        budget=budget,
        trust_pickle=trust_pickle,
        seed=seed,
        preset=preset,
        shadows=shadows,
        attacks=attacks,
    )
    with stdout_for_the_result():
        document = prepare_from(settings).plan().to_dict()
    if as_json:
        print_json(document)
    else:
        print(describe_plan(document))


def describe_plan(document: Mapping[str, Any]) -> str:
    """Return the plan as text: time and memory of it all, notes, then one line a step."""
    rows = [
        (
            step["step"],
            step["status"],
            _seconds(step.get("seconds")),
            _memory(step.get("memory_mb")),
            _reason(step),
        )
        for step in document["steps"]
    ]
    table = lay_out(rows, ("step", "status", "time", "memory", "why, and what would make it run"))
    return "\n".join([*_whole(document), table])


def _whole(document: Mapping[str, Any]) -> list[str]:
    """Say first what a tired reader wants to know."""
    lines = []
    if document.get("seconds") is not None:
        total = f"About {_seconds(document['seconds'])}"
        if document.get("memory_mb") is not None:
            total += f" and {_memory(document['memory_mb'])} of memory"
        jobs = document.get("jobs") or 1
        lines.append(f"{total}, in {jobs} processes." if jobs > 1 else f"{total}.")
    if document.get("shadows") and document.get("trainer"):
        each = document.get("seconds_per_fit")
        speed = "" if each is None else f", {_seconds(each)} each"
        lines.append(f"{document['shadows']} shadow models{speed}: {document['trainer']}.")
    lines += [f"Note: {note}" for note in document.get("notes", ())]
    if document.get("seconds_measuring") is not None:
        lines.append(f"Finding this out took {_seconds(document['seconds_measuring'])}.")
    return [*lines, ""] if lines else []


def _reason(step: Mapping[str, Any]) -> str:
    reason, remedy = step.get("reason"), step.get("remedy")
    if reason and remedy:
        return f"{reason} → {remedy}"
    return str(reason or remedy or "")


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 0.095:
        return f"{value:.2f} s" if value >= 0.005 else "0 s"
    if value < 60:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def _memory(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} MB" if value < 1000 else f"{value / 1000:.1f} GB"
