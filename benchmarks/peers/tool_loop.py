"""The plain way: a loop over scikit-learn fits, then LiRA as in its paper, record by record with scipy.

Models come in pairs that hold complementary halves, so that every record is in exactly half of them. Probabilities
are clamped at 1e-6, which a forest's exact zeros and ones need. Both variances of the paper are scored: each record's
own, and one for all.

Run by benchmarks/peers.py: python tool_loop.py TASK_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from measure import Results, Task, cpu, read_task
from scipy.stats import norm
from sklearn.base import clone

CLAMP = 1e-6


def log_odds(proba: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the log odds of the true class, (n,)."""
    p = np.clip(proba[np.arange(len(y)), y], CLAMP, 1 - CLAMP)
    return np.log(p / (1 - p))


def train(task: Task, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit shadow model k; return who was in it and its log odds on every record."""
    n = len(task.y)
    half = np.zeros(n, dtype=bool)
    half[np.random.default_rng([task.seed, 1, k // 2]).permutation(n)[: n // 2]] = True
    inside = half if k % 2 == 0 else ~half
    model = clone(task.target).set_params(random_state=task.seed + 1 + k).fit(task.x[inside], task.y[inside])
    proba = np.zeros(task.proba.shape[1:])
    proba[:, model.classes_] = model.predict_proba(task.x)
    return inside, log_odds(proba, task.y)


def lira(signals: np.ndarray, mask: np.ndarray, targets: np.ndarray, *, fixed: bool) -> tuple[np.ndarray, float]:
    """Score the first target record by record, and the others from the same moments; return the first's CPU seconds."""
    n = signals.shape[1]
    start = cpu()
    common_in, common_out = signals[mask].std(), signals[~mask].std()
    moments = np.empty((4, n))
    first = np.empty(n)
    for record in range(n):
        inside, outside = signals[mask[:, record], record], signals[~mask[:, record], record]
        std_in, std_out = (common_in, common_out) if fixed else (inside.std(), outside.std())
        moments[:, record] = inside.mean(), std_in + 1e-6, outside.mean(), std_out + 1e-6
        log_in = norm.logpdf(targets[0, record], moments[0, record], moments[1, record])
        first[record] = log_in - norm.logpdf(targets[0, record], moments[2, record], moments[3, record])
    took = cpu() - start
    mean_in, std_in, mean_out, std_out = moments
    others = norm.logpdf(targets[1:], mean_in, std_in) - norm.logpdf(targets[1:], mean_out, std_out)
    return np.vstack([first[None], others]), took


def main(task_folder: Path, out: Path) -> None:
    """Add models until each number of shadow models is reached, and score there."""
    task = read_task(task_folder)
    results = Results(cpu())
    start = cpu()
    first = log_odds(task.target.predict_proba(task.x), task.y)
    reading = cpu() - start
    targets = np.stack([first, *(log_odds(proba, task.y) for proba in task.proba[1:])])
    mask: list[np.ndarray] = []
    signals: list[np.ndarray] = []
    training = 0.0
    for models in task.models:
        if not task.affordable(training, len(mask), models):
            results.notes.append(f"stopped before {models} shadow models: more than {task.budget:.0f} CPU-s expected")
            break
        start = cpu()
        while len(mask) < models:
            inside, row = train(task, len(mask))
            mask.append(inside)
            signals.append(row)
        training += cpu() - start
        for name, fixed in (("LiRA, one variance", True), ("LiRA, variance a record", False)):
            scores, scoring = lira(np.stack(signals), np.stack(mask), targets, fixed=fixed)
            results.add(name, models, scores, training=training, reading=reading, scoring=scoring)
    results.write(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
