"""Time and memory of scoring a finished table, and the power of shadow attacks on a forest; prints tables or JSON.

Run: python benchmarks/scoring.py [--power SEEDS]
     python benchmarks/scoring.py --json    one process, a table of 256 models × 50,000 records, JSON only
"""

from __future__ import annotations

import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from seepage._registry import load_attack
from seepage.attacks.membership.bavaria import BaVarIA
from seepage.attacks.membership.lira import LiRA
from seepage.attacks.membership.moments import READER
from seepage.attacks.membership.rmia import RMIA, rmia_share
from seepage.attacks.protocol import Scene
from seepage.signals import margin
from seepage.spec import Task
from seepage.testing.toys import draw_masks


def measure(work: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Return the best CPU seconds of several runs, and the peak of Python-visible memory in MiB."""
    work()
    best = min(_cpu(work) for _ in range(repeats))
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return best, peak


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def speed() -> None:
    """Print CPU time and peak memory of each scorer at the sizes its promise is made for."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(64, 10_000)).astype(np.float32)
    mask, _ = draw_masks(rng, 10_000, 64)
    target = rng.normal(size=10_000)
    x, z = np.exp(rng.normal(size=20_000)), np.exp(rng.normal(size=10_000))
    n = 20_000
    features = rng.normal(size=(n, 14))
    scene = Scene(
        task=Task.CLASSIFICATION,
        ids=np.arange(n),
        persons=None,
        truth=np.arange(n) < n // 2,
        signals={READER[Task.CLASSIFICATION]: (features[:, 0] + rng.normal(size=n)).astype(np.float32)},
        features=features,
        n_classes=2,
    )
    quantile = load_attack("membership/quantile")
    rows: list[tuple[str, Callable[[], object], int]] = [
        ("LiRA, 64 models × 10,000 records, main variant", lambda: LiRA().score(signals, mask, target), 5),
        ("RMIA, 64 models × 10,000 records", lambda: RMIA().score(signals, mask, target), 5),
        ("BaVarIA, 64 models × 10,000 records", lambda: BaVarIA().score(signals, mask, target), 5),
        ("RMIA share, 20,000 records × 10,000 population", lambda: rmia_share(x, z, 2.0), 5),
        ("quantile, 10,000 + 10,000 records, 14 columns", lambda: quantile.run(scene), 1),
    ]
    print(f"{'scoring':<50} {'CPU s':>8} {'MiB':>7}")
    for name, work, repeats in rows:
        seconds, peak = measure(work, repeats)
        print(f"{name:<50} {seconds:8.4f} {peak:7.1f}")


def large(models: int = 256, n: int = 50_000, repeats: int = 5) -> dict[str, object]:
    """Return median CPU seconds of each scorer on a large float32 table with a uint8 mask, and the process's peak.

    The peak is of the whole process: interpreter, numpy, scipy, scikit-learn and the table included.
    """
    import sklearn.linear_model  # noqa: F401  # counted, as an audit has it loaded

    rng = np.random.default_rng(0)
    signals = np.empty((models, n), dtype=np.float32)
    mask = np.empty((models, n), dtype=np.uint8)
    level = 2 * rng.normal(size=n)
    for row in range(models):
        mask[row] = rng.random(n) < 0.5 if row % 2 == 0 else 1 - mask[row - 1]
        signals[row] = level + 0.5 * mask[row] + rng.normal(size=n)
    target = level + 0.5 * (rng.random(n) < 0.5) + rng.normal(size=n)
    before = _peak_mib()
    scorers = {"LiRA": LiRA(), "RMIA": RMIA(), "BaVarIA": BaVarIA()}
    seconds = {
        name: float(np.median([_cpu(lambda s=scorer: s.score(signals, mask, target)) for _ in range(repeats)]))
        for name, scorer in scorers.items()
    }
    return {
        "models": models,
        "records": n,
        "cpu_seconds": seconds,
        "cpu_seconds_together": sum(seconds.values()),
        "peak_mib_before_scoring": before,
        "peak_mib": _peak_mib(),
    }


def _peak_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def lira_by_loop(signals: np.ndarray, mask: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Score LiRA with per-record variance the plain way: one record after the other, densities by scipy."""
    from scipy.stats import norm

    out = np.empty(len(target))
    for record in range(len(target)):
        inside = signals[mask[:, record], record]
        outside = signals[~mask[:, record], record]
        out[record] = norm.logpdf(target[record], inside.mean(), inside.std() + 1e-6) - norm.logpdf(
            target[record], outside.mean(), outside.std() + 1e-6
        )
    return out


def rmia_by_matrix(ratio_x: np.ndarray, ratio_z: np.ndarray, gamma: float) -> np.ndarray:
    """Return RMIA's share of the population that each record beats, through the dense (records × population) matrix."""
    beaten: np.ndarray = (ratio_x[:, None] / ratio_z[None, :] >= gamma).mean(axis=1)
    return beaten


def ratios() -> None:
    """Print how much less the vectorised scorers cost than the plain loop and the dense matrix, in one run."""
    rng = np.random.default_rng(1)
    signals = rng.normal(size=(64, 10_000)).astype(np.float32)
    mask, _ = draw_masks(rng, 10_000, 64)
    target = rng.normal(size=10_000)
    x, z = np.exp(rng.normal(size=20_000)), np.exp(rng.normal(size=10_000))
    pairs: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            "LiRA 64 × 10,000, per record, against a loop",
            lambda: LiRA("online", "per-record").score(signals, mask, target),
            lambda: lira_by_loop(signals, mask, target),
        ),
        (
            "RMIA 20,000 × 10,000, against the matrix",
            lambda: rmia_share(x, z, 2.0),
            lambda: rmia_by_matrix(x, z, 2.0),
        ),
    ]
    print(f"\n{'ratio in one run':<50} {'ours':>8} {'plain':>8} {'ratio':>7} {'MiB':>7} {'plain':>7}")
    for name, ours, plain in pairs:
        fast, small = measure(ours, 5)
        slow, large = measure(plain, 1)
        print(f"{name:<50} {fast:8.4f} {slow:8.3f} {slow / fast:7.0f} {small:7.1f} {large:7.0f}")


def power(seeds: int, shadows: int = 32) -> None:
    """Print AUC of a forest of 100 trees on breast_cancer, half in, half out, complementary shadow models."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    x, y = load_breast_cancer(return_X_y=True)

    def read(trained: np.ndarray, seed: int) -> np.ndarray:
        forest = RandomForestClassifier(100, random_state=seed).fit(x[trained], y[trained])
        return margin(forest.predict_proba(x), y, floor=0.5 / 100)

    attacks = {
        "LiRA online fixed": LiRA("online", "fixed"),
        "LiRA online per-record": LiRA("online", "per-record"),
        "LiRA offline fixed": LiRA("offline", "fixed"),
        "LiRA offline per-record": LiRA("offline", "per-record"),
        "RMIA offline a=0.3": RMIA(),
        "RMIA online": RMIA("online"),
        "BaVarIA online": BaVarIA("online"),
        "BaVarIA offline": BaVarIA("offline"),
    }
    found: dict[str, list[float]] = {name: [] for name in (*attacks, "loss")}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        mask, _ = draw_masks(rng, len(y), shadows)
        truth = draw_masks(rng, len(y), 2)[0][0]
        target = read(truth, 10_000 + seed)
        signals = np.stack([read(row, 100 * seed + k) for k, row in enumerate(mask)])
        for name, attack in attacks.items():
            found[name].append(roc_auc_score(truth, attack.score(signals, mask, target)))
        found["loss"].append(roc_auc_score(truth, target))
    print(
        f"\n{'AUC, forest on breast_cancer, ' + str(shadows) + ' shadow models':<50} {'mean':>6} {'min':>6} {'max':>6}"
    )
    for name, values in found.items():
        print(f"{name:<50} {np.mean(values):6.3f} {min(values):6.3f} {max(values):6.3f}")


if __name__ == "__main__":
    if "--json" in sys.argv:
        print(json.dumps(large(), indent=2))
    else:
        speed()
        ratios()
        if "--power" in sys.argv:
            power(int(sys.argv[sys.argv.index("--power") + 1]))
