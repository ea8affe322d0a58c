"""What every tool of the comparison shares: the task it is given, the CPU time it took, the scores it hands back.

It imports numpy and the standard library only, because it runs in each tool's own environment.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


def cpu() -> float:
    """Return the CPU seconds of this process and of the children it waited for, user and system."""
    uses = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in uses)


def peak_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB.

    Linux's getrusage passes on the memory of the process that started this one; /proc does not.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@dataclass(frozen=True)
class Task:
    """One audit: n records, T targets of one kind.

    x, y : (n, d) and (n,) whole numbers 0 … C − 1.
    member : (T, n) who each target was trained on. The first target is the one that is timed.
    proba : (T, n, C) what each target says.
    target : the first target, fitted.
    models : numbers of shadow models to try, rising.
    budget : CPU seconds that no attack may be expected to exceed.
    """

    x: np.ndarray
    y: np.ndarray
    member: np.ndarray
    proba: np.ndarray
    target: Any
    models: tuple[int, ...]
    seed: int
    budget: float

    def affordable(self, spent: float, done: int, next_models: int) -> bool:
        """Say whether `next_models` shadow models can be expected to stay within the budget."""
        return spent * next_models / max(done, 1) <= self.budget


def read_task(folder: Path) -> Task:
    """Read what the driver wrote."""
    import joblib

    settings = json.loads((folder / "task.json").read_text())
    with np.load(folder / "data.npz") as data:
        arrays = {name: data[name] for name in ("x", "y", "member", "proba")}
    target = joblib.load(folder / "target.joblib")
    return Task(**arrays, target=target, models=tuple(settings["models"]), **settings["rest"])


@dataclass
class Results:
    """Scores and costs of one tool, written as result.json and scores.npz.

    imports : CPU seconds that the process had used when its imports were done.
    """

    imports: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def add(self, attack: str, models: int, scores: np.ndarray, **seconds: float) -> None:
        """Keep an attack's (T, n) scores, NaN for records that it knew beforehand, and its CPU seconds by part."""
        key = f"{attack}|{models}"
        self.rows.append(
            {"attack": attack, "models": models, "key": key, "cpu_seconds": sum(seconds.values()), "parts": seconds}
        )
        self.scores[key] = np.asarray(scores, dtype=np.float64)

    def write(self, folder: Path) -> None:
        """Write everything, with the peak memory and wall time of the whole process since its imports."""
        np.savez_compressed(folder / "scores.npz", **self.scores)  # type: ignore[arg-type]
        summary = {
            "import_cpu_seconds": self.imports,
            "process_cpu_seconds": cpu(),
            "process_wall_seconds": time.perf_counter() - self.began,
            "peak_mib": peak_mib(),
            "notes": self.notes,
            "attacks": self.rows,
        }
        (folder / "result.json").write_text(json.dumps(summary, indent=1))
