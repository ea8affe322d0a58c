"""How strong LiRA, RMIA and BaVarIA are with 1, 2, 4, … 64 shadow models, for a network and a forest on Adult.

Run: python benchmarks/accuracy.py [--records 10000] [--targets 16] [--cache FOLDER]

One table of shadow models is trained for each kind of model. A model of the table takes the target's place; the model
that holds the other half is dropped, and the shadow models are whole pairs of others, so that no inclusion tells who
was in the target. Writes docs/benchmarks/accuracy.json, accuracy.md and accuracy.svg.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from published import ONE_THREAD, destination, in_words, machine, table, write

os.environ.update(ONE_THREAD)

import numpy as np  # after the number of threads is set
from data_sets import adult, scaled

from seepage import stats
from seepage.attacks.membership import RMIA, BaVarIA, LiRA
from seepage.work import Store

MODELS = (1, 2, 4, 8, 16, 32, 64)
ATTACKS: dict[str, Callable[..., np.ndarray]] = {
    "LiRA": LiRA().score,
    "RMIA": RMIA().score,
    "RMIA, online": RMIA("online").score,
    "BaVarIA": BaVarIA().score,
}
METRICS = ("auc", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001")


@dataclass(frozen=True)
class Trained:
    """A table of shadow models: log odds (K, n), who was in, and what the training took."""

    signals: np.ndarray
    inside: np.ndarray
    trainer: str
    seconds: float


def estimators() -> dict[str, Any]:
    """Return the kinds of models that are attacked, by title."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    return {
        "MLPClassifier((64,), max_iter=60)": MLPClassifier((64,), max_iter=60),
        "RandomForestClassifier(100)": RandomForestClassifier(100),
    }


def trained(model: Any, x: np.ndarray, y: np.ndarray, count: int, seed: int, cache: Path) -> Trained:
    """Train the table; models that the cache holds are taken from it."""
    from seepage.training import train_shadows

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signals = train_shadows(model, (x, y), count, seed=seed, store=Store(cache))
    seconds = float(signals.seconds.sum())
    return Trained(signals.arrays["margin"], signals.inclusion.included, signals.trainer, seconds)


def shadows_of(target: int, count: int, models: int, rng: np.random.Generator) -> np.ndarray:
    """Return shadow models for a target: whole pairs, in random order, without the target's own pair.

    With one shadow model it is the first of a pair.
    """
    pairs = rng.permutation([pair for pair in range(count // 2) if pair != target // 2])
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()[:models]


def measured(own: Trained, targets: int, models: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Return a row for each attack and number of shadow models: mean and standard deviation over targets."""
    count = len(own.signals)
    chosen = np.linspace(0, count - 1, targets).round().astype(int)
    rows = []
    for k in models:
        found: dict[str, list[list[float]]] = {name: [] for name in ATTACKS}
        for target in chosen:
            used = shadows_of(target, count, k, np.random.default_rng([seed, int(target)]))
            truth = own.inside[target]
            for name, score in ATTACKS.items():
                scores = score(own.signals[used], own.inside[used], own.signals[target])
                ins, outs = scores[truth], scores[~truth]
                tprs = [stats.operating_point(ins, outs, fpr).tpr_interval.value or 0.0 for fpr in (0.01, 0.001)]
                found[name].append([float(stats.auc_of_samples(ins, outs).value or 0.0), *tprs])
        for name, values in found.items():
            mean, spread = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
            rows.append(
                {"attack": name, "models": k, "targets": len(values)}
                | dict(zip(METRICS, mean.tolist(), strict=True))
                | {f"{key}_sd": value for key, value in zip(METRICS, spread.tolist(), strict=True)}
            )
    return rows


def page(data: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    half = data["records"] // 2
    parts = [
        "# Accuracy with few shadow models",
        f"Written by `python benchmarks/accuracy.py`. {in_words(data['machine'])}",
        f"Adult, one-hot and scaled: {half:,} members and {half:,} nonmembers of each target. {data['targets']} models "
        f"of one table of {data['table']} take the target's place in turn; the model with the other half of the "
        "records is dropped, and the shadow models are whole pairs drawn from the others. Each cell is the mean over "
        f"the targets ± the standard deviation between them. A TPR at 0.1 % FPR rests on "
        f"{half // 1000} false alarm(s).",
        "![TPR at 0.1 % FPR and AUC against the number of shadow models](accuracy.svg)",
        "Bars in the plot are one standard error of the mean over the targets, which share records and models.",
    ]
    for title, found in data["models"].items():
        parts += [f"## {title}", f"Table of shadow models: trainer {found['trainer']}."]
        for metric, name, digits in (
            ("auc", "AUC", 3),
            ("tpr_at_fpr_0.001", "TPR at 0.1 % FPR, in %", 2),
            ("tpr_at_fpr_0.01", "TPR at 1 % FPR, in %", 1),
        ):
            factor = 1 if metric == "auc" else 100
            body = []
            for k in data["shadow_models"]:
                row: list[Any] = [k]
                for attack in ATTACKS:
                    cell = next(r for r in found["rows"] if r["attack"] == attack and r["models"] == k)
                    row.append(f"{factor * cell[metric]:.{digits}f} ± {factor * cell[metric + '_sd']:.{digits}f}")
                body.append(row)
            parts += [f"**{name}**", table(["shadow models", *ATTACKS], body)]
        parts.append(few_models(found["rows"]))
    parts.append("The numbers of this page are in [accuracy.json](accuracy.json).")
    return "\n\n".join(parts)


def few_models(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which attack is ahead with at most four shadow models."""
    said = []
    for k in sorted({row["models"] for row in rows if row["models"] <= 4}):
        own = [row for row in rows if row["models"] == k]
        best = max(own, key=lambda row: row["auc"])
        low = max(own, key=lambda row: row["tpr_at_fpr_0.001"])
        lira = next(row for row in own if row["attack"] == "LiRA")
        said.append(
            f"- {k} shadow model{'s' if k > 1 else ''}: highest AUC {best['attack']} ({best['auc']:.3f}, LiRA "
            f"{lira['auc']:.3f}); highest TPR at 0.1 % FPR {low['attack']} ({100 * low['tpr_at_fpr_0.001']:.2f} %, "
            f"LiRA {100 * lira['tpr_at_fpr_0.001']:.2f} %)"
        )
    return "\n".join(["With few shadow models:", "", *said])


def plot(data: Mapping[str, Any]) -> str:
    """Return both metrics against the number of shadow models, one panel a kind of model, as SVG."""
    from seepage.report.drawing import CONFIG, altair, to_svg

    alt = altair()
    panels = []
    for title, found in data["models"].items():
        for metric, name in (("auc", "AUC"), ("tpr_at_fpr_0.001", "TPR at 0.1 % FPR")):
            points = [
                {
                    "attack": row["attack"],
                    "models": row["models"],
                    "value": row[metric],
                    "low": max(row[metric] - row[f"{metric}_sd"] / np.sqrt(row["targets"]), 0.0),
                    "high": row[metric] + row[f"{metric}_sd"] / np.sqrt(row["targets"]),
                }
                for row in found["rows"]
            ]
            base = alt.Chart(alt.Data(values=points), title=title).encode(
                x=alt.X("models:Q", title="shadow models").scale(type="log", base=2).axis(values=data["shadow_models"]),
                color=alt.Color("attack:N", title=None).scale(scheme="tableau10"),
            )
            y = alt.Y("value:Q", title=name).scale(zero=metric != "auc")
            band = base.mark_rule().encode(y=alt.Y("low:Q").scale(zero=metric != "auc"), y2="high:Q")
            line = base.mark_line().encode(y=y)
            panels.append(
                (line + base.mark_point(filled=True, size=30).encode(y=y) + band).properties(width=280, height=200)
            )
    rows = [alt.hconcat(*panels[i : i + 2]).resolve_scale(y="independent") for i in range(0, len(panels), 2)]
    chart = alt.vconcat(*rows).configure(**CONFIG)
    return to_svg(chart, "AUC and TPR at 0.1 % FPR of each attack against the number of shadow models")


def main() -> None:
    """Train the tables, attack, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000, help="half of them are members of each target")
    parser.add_argument("--targets", type=int, default=16, help="models that take the target's place")
    parser.add_argument("--table", type=int, default=74, help="models trained of each kind; even, 2 more than needed")
    parser.add_argument("--models", type=int, nargs="+", default=list(MODELS), help="numbers of shadow models")
    parser.add_argument("--cache", type=Path, help="a store that keeps shadow models; the next run goes on from it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="folder; docs/benchmarks, or, of a part, only printed")
    options = parser.parse_args()
    if options.table % 2 or options.table < max(options.models) + 2:
        parser.error(f"--table must be even and at least {max(options.models) + 2} (got {options.table})")
    where = machine()
    x, y = adult(options.records)
    x = scaled(x)
    found = {}
    with tempfile.TemporaryDirectory(prefix="seepage-accuracy-") as folder:
        for title, model in estimators().items():
            print(f"{title}: training {options.table} models", flush=True)
            own = trained(model, x, y, options.table, options.seed, options.cache or Path(folder))
            print(f"{title}: {own.seconds:.0f} s of training, trainer {own.trainer}", flush=True)
            rows = measured(own, options.targets, options.models, options.seed)
            found[title] = {"trainer": own.trainer, "training_seconds": own.seconds, "rows": rows}
    data = {
        "machine": where,
        "records": options.records,
        "targets": options.targets,
        "table": options.table,
        "shadow_models": options.models,
        "models": found,
    }
    write(destination(options.out, partial=tuple(options.models) != MODELS), "accuracy", data, page(data), plot(data))


if __name__ == "__main__":
    main()
