"""Writes a benchmark's results for the documentation: JSON, a page with tables, a plot, and the machine they are of."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on: processor, cores, load, Python and libraries."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    packages = ("numpy", "scipy", "scikit-learn", "torch")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def in_words(where: Mapping[str, Any]) -> str:
    """Return the machine as one sentence of a page."""
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    return (
        f"Measured on {where['date']}: {where['processor']}, {where['cores']} cores (load average "
        f"{where['load_average']} at the start), Python {where['python']}, {packages}. One thread; seconds are CPU "
        "seconds unless they say wall."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table; columns of numbers stand to the right."""
    numeric = [
        all(isinstance(row[i], (int, float)) or row[i] == "–" or str(row[i])[:1].isdigit() for row in rows)
        for i in range(len(head))
    ]
    rule = ["---:" if right else "---" for right in numeric]
    lines = [head, rule, *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(folder: Path | None, name: str, data: Mapping[str, Any], page: str, plot: str | None = None) -> None:
    """Write NAME.json, NAME.md and, with a plot, NAME.svg into `folder`, and say so; without one, print the page."""
    if folder is None:
        print(page)
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.json": json.dumps(data, indent=1) + "\n", f"{name}.md": page.rstrip() + "\n"}
    if plot is not None:
        files[f"{name}.svg"] = plot + "\n"
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
        print(f"wrote {folder / file}", flush=True)


def destination(asked: Path | None, *, partial: bool) -> Path | None:
    """Return where a page goes: where it was asked for, else the documentation, but never a part of the benchmark."""
    return asked or (None if partial else DOCS)
