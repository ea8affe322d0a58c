"""Run sacroml's LiRA in its three modes on one task, through its own attack and target classes.

The CPU time of an attack is that of its training, of reading its shadow models and of its scoring; its metrics and
reports are left out. Shadow models are kept in its folder and reused from one number of models to the next, as the
tool does by itself. Scores of the first target are the tool's own. The shadow models' log odds depend on no target,
so the other targets are scored from the same moments by the tool's formulas, which are checked against its own scores.

Run by benchmarks/peers.py in sacroml's environment: python tool_sacroml.py TASK_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import Results, Task, cpu, read_task
from sacroml.attacks import likelihood_attack
from sacroml.attacks.likelihood_attack import EPS, LIRAAttack
from sacroml.attacks.target import Target
from scipy.stats import norm

MODES = ("offline", "online-carlini", "offline-carlini")
training = {"seconds": 0.0}


def timed_training(train: Callable[..., None]) -> Callable[..., None]:
    """Count the CPU seconds of the tool's training loop."""

    def run(*args: Any, **kwargs: Any) -> None:
        start = cpu()
        train(*args, **kwargs)
        training["seconds"] += cpu() - start

    return run


class Timed(LIRAAttack):  # type: ignore[misc]
    """The tool's attack, with a clock around its steps and its tables kept."""

    reading = 0.0
    scoring = 0.0
    table: Any = None
    own_scores: Any = None

    def _get_shadow_signals(self, *args: Any) -> Any:
        start = cpu()
        self.table = super()._get_shadow_signals(*args)
        self.reading = cpu() - start
        return self.table

    def _compute_scores(self, *args: Any) -> Any:
        start = cpu()
        found = super()._compute_scores(*args)
        self.scoring = cpu() - start
        self.own_scores = np.array(found[0])[:, 1]
        return found


def moments(values: dict[int, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return each record's mean and standard deviation, both 0 without a value, as the tool does."""
    rows = [np.array(values[i]) for i in range(len(values))]
    return (
        np.array([row.mean() if len(row) else 0.0 for row in rows]),
        np.array([row.std() if len(row) else 0.0 for row in rows]) + EPS,
    )


def scored(mode: str, logits: np.ndarray, outside: Any, inside: Any) -> np.ndarray:
    """Return the tool's score of a mode for targets' log odds (T, n)."""
    if mode == "offline":
        return np.asarray(norm.cdf(logits, *outside))
    out = norm.logpdf(logits, *outside)
    return np.asarray(-out if mode == "offline-carlini" else norm.logpdf(logits, *inside) - out)


def run_modes(task: Task, models: int, folder: str, results: Results) -> None:
    """Run every mode with so many shadow models and keep scores of all targets."""
    order = np.concatenate([np.flatnonzero(task.member[0]), np.flatnonzero(~task.member[0])])
    n_members = int(task.member[0].sum())
    x, y = task.x[order], task.y[order]
    logits = np.array(
        [[likelihood_attack.utils.logit(p) for p in proba[order, y]] for proba in task.proba], dtype=np.float64
    )
    both = None
    for mode in MODES:
        target = Target(
            model=task.target,
            X_train=x[:n_members],
            y_train=y[:n_members],
            X_test=x[n_members:],
            y_test=y[n_members:],
        )
        attack = Timed(output_dir=folder, write_report=False, n_shadow_models=models, mode=mode)
        attack.attack(target)
        if both is None:
            out_table, in_table = attack.table
            both = moments(out_table), moments(in_table)
        scores = scored(mode, logits, *both)
        if not np.allclose(scores[0], attack.own_scores, rtol=1e-6, atol=1e-9, equal_nan=True):
            sys.exit(f"the formula of sacroml's mode {mode} does not give its own scores; it has changed")
        scores[0] = attack.own_scores
        placed = np.empty_like(scores)
        placed[:, order] = scores
        results.add(
            f"LiRA, {mode}",
            models,
            placed,
            training=training["seconds"],
            reading=attack.reading,
            scoring=attack.scoring,
        )


def main(task_folder: Path, out: Path) -> None:
    """Run all numbers of shadow models that the budget allows."""
    logging.disable(logging.INFO)
    task = read_task(task_folder)
    results = Results(cpu())
    likelihood_attack.utils.train_shadow_models = timed_training(likelihood_attack.utils.train_shadow_models)
    done = 1
    with tempfile.TemporaryDirectory() as folder:
        for models in task.models:
            if not task.affordable(training["seconds"], done, models):
                results.notes.append(
                    f"stopped before {models} shadow models: more than {task.budget:.0f} CPU-s expected"
                )
                break
            run_modes(task, models, folder, results)
            done = models
    results.write(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
