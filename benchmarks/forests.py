"""Forests, bags and boosting: CPU of the fast trainer beside a plain scikit-learn loop, and what binning could save.

Run: OMP_NUM_THREADS=1 python benchmarks/forests.py [REPEATS] [--bins]

The loop clones, fits and reads each model on all rows, nothing else; seepage's time holds the draws, the proof against
a plain fit and the table. `--bins` measures the share of binning in histogram boosting: what shared bins would save.
Prints one line of JSON for each setting.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)

from seepage.training import Signals, train_shadows

Data = tuple[NDArray[Any], NDArray[Any]]


def cpu(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def middle(call: Callable[[], Any], repeats: int) -> float:
    """Return the median of CPU seconds, after one call that is not counted."""
    call()
    return float(np.median([cpu(call) for _ in range(repeats)]))


def memorised(signals: Signals) -> NDArray[np.float64]:
    """Return how much better each record is fitted by the models that hold it."""
    values = -np.abs(signals.arrays["residual"]) if "residual" in signals.arrays else signals.arrays["margin"]
    inside = signals.inclusion.included
    return np.asarray(
        np.where(inside, values, 0).sum(0) / inside.sum(0) - np.where(inside, 0, values).sum(0) / (~inside).sum(0)
    )


def trainers(name: str, model: Any, data: Data, shadows: int, repeats: int) -> dict[str, Any]:
    """Return CPU of both ways, and the correlation of memorisation between tables of different seeds."""
    x, y = data
    inside = train_shadows(model, data, shadows).inclusion.included

    def fast() -> Signals:
        return train_shadows(model, data, shadows)

    def loop() -> None:
        for members in inside:
            fitted = clone(model).fit(x[members], y[members])
            fitted.predict_proba(x) if is_classifier(model) else fitted.predict(x)

    times: dict[str, list[float]] = {"fast": [], "loop": []}
    for _ in range(repeats):
        times["fast"].append(cpu(fast))
        times["loop"].append(cpu(loop))
    own, seconds = fast(), {way: float(np.median(spent)) for way, spent in times.items()}
    one, two = (train_shadows(model, data, shadows, seed=seed, trainer="one-by-one") for seed in (1, 2))
    return {
        "setting": name,
        "trainer": own.trainer,
        "shadows": shadows,
        "cpu_s": seconds,
        "ratio": round(seconds["fast"] / seconds["loop"], 3),
        "memorisation_plain_plain": round(float(np.corrcoef(memorised(one), memorised(two))[0, 1]), 3),
        "memorisation_fast_plain": round(float(np.corrcoef(memorised(own), memorised(two))[0, 1]), 3),
    }


def bins(n: int, d: int, repeats: int) -> dict[str, Any]:
    """Return the share of binning in fitting and reading, the most that shared bins can save."""
    import lightgbm
    import xgboost
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

    x, y = make_classification(n, d, n_informative=min(10, d // 2), flip_y=0.1, random_state=0)
    half = np.random.default_rng(0).permutation(n)[: n // 2]
    own, truth = x[half], y[half]
    quiet = {"verbose": -1, "num_threads": 1}
    ways: dict[str, tuple[Any, Callable[[], Any]]] = {
        "HistGradientBoosting": (
            HistGradientBoostingClassifier(early_stopping=False),
            lambda: _BinMapper(n_bins=256, n_threads=1).fit(own).transform(own),
        ),
        "lightgbm": (
            lightgbm.LGBMClassifier(n_jobs=1, verbose=-1),
            lambda: lightgbm.Dataset(own, truth, params=quiet).construct(),
        ),
        "xgboost": (xgboost.XGBClassifier(n_jobs=1), lambda: xgboost.QuantileDMatrix(own, truth, nthread=1)),
    }
    out: dict[str, Any] = {"rows": n, "columns": d}
    for name, (model, binning) in ways.items():
        whole = middle(lambda model=model: model.fit(own, truth).predict_proba(x), repeats)  # type: ignore[misc]
        out[name] = {"cpu_s": round(whole, 4), "binning_share": round(middle(binning, repeats) / whole, 3)}
    return out


def main() -> None:
    """Measure and print."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    repeats = int(words[0]) if words else 5
    if "--bins" in sys.argv:
        for n, d in ((569, 30), (5_000, 14), (5_000, 100), (20_000, 14), (20_000, 100)):
            print(json.dumps(bins(n, d, repeats)), flush=True)
        return
    cancer, sugar = load_breast_cancer(return_X_y=True), load_diabetes(return_X_y=True)
    made = make_classification(5_000, 14, n_informative=8, flip_y=0.1, random_state=0)
    settings: list[tuple[str, Any, Data, int]] = [
        ("random forest, 569 × 30", RandomForestClassifier(100), cancer, 32),
        ("extra trees, 569 × 30", ExtraTreesClassifier(100), cancer, 32),
        ("bagging, 569 × 30", BaggingClassifier(n_estimators=50), cancer, 32),
        ("random forest, 442 × 10 (regression)", RandomForestRegressor(100), sugar, 32),
        ("random forest, 5,000 × 14", RandomForestClassifier(100), made, 16),
        ("boosting, 569 × 30", GradientBoostingClassifier(), cancer, 32),
        ("boosting, 442 × 10 (regression)", GradientBoostingRegressor(), sugar, 32),
        ("boosting, 5,000 × 14", GradientBoostingClassifier(), made, 16),
    ]
    for setting in settings:
        print(json.dumps(trainers(*setting, repeats), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
