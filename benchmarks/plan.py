"""How well `seepage plan` foretells time and memory: predicted, measured and their ratio on the demonstrations.

Run: OMP_NUM_THREADS=1 python benchmarks/plan.py [--demos a,b] [--presets quick,standard] [--engines sequential,local]
     [--trainers fast,plain] [--clock wall|cpu] [--repeats N] [--json FILE]

Every plan and every audit has a fresh process and a fresh store. Measured is what comes after the tables are read and
the target is trained: the audit, its report and its records. "plain" hides the recipe from the fast trainers, which
leaves one model after the other. With repeats, the medians of both sides are compared. Memory is that of all
processes, without pages of files; Linux only. `--clock cpu` counts CPU instead of time on both sides, sequential only:
on a machine that others load, time says little.
Prints one line of JSON for each, then a table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from demo import family, own_memory

DEMOS = ("breast_cancer", "diabetes", "heart", "credit", "adult")


def plain_recipe(recipe: Any) -> Any:
    """Return a recipe that makes the same models and that no fast trainer knows."""
    from sklearn.base import clone

    from seepage.training import FunctionRecipe

    estimator = recipe.estimator

    def fit(x: Any, y: Any, seed: int) -> Any:
        model = clone(estimator)
        names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
        return model.set_params(**dict.fromkeys(names, seed)).fit(x, y)

    return FunctionRecipe(fit)


def prepared(demo: str, preset: str, engine: str, trainer: str, store: str) -> Any:
    """Return the audit of a demonstration, ready to run."""
    from seepage.api.demo import prepare_demo
    from seepage.api.options import Options

    options = Options(store=store, preset=preset, engine=None if engine == "sequential" else engine)
    ready = prepare_demo(demo, options=options)
    if trainer == "plain":
        return replace(ready, case=replace(ready.case, recipe=plain_recipe(ready.case.recipe)))
    return ready


def child(what: str, clock: str, *setting: str) -> None:
    """Plan or audit in this process and print what came of it."""
    if clock == "cpu":
        time.perf_counter = time.process_time
    with tempfile.TemporaryDirectory() as folder:
        ready = prepared(*setting, store=f"{folder}/store")
        if what == "plan":
            document = ready.plan().to_dict()
            kept = ("seconds", "memory_mb", "seconds_measuring", "trainer", "steps")
            print(json.dumps({name: document[name] for name in kept}))
            return
        from seepage.api.session import run

        began, cpu = time.perf_counter(), sum(os.times()[:4])
        found = run(ready)
        found.save(Path(folder) / "out")
        seconds = {entry["attack"]: entry["cost"]["seconds"] for entry in found.document["evidence"]}
        measured = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": sum(os.times()[:4]) - cpu,
            "trainer": found.document["recipe"]["trainer"],
            "parts": {**found.document["cost"]["seconds"], **seconds},
        }
        print(json.dumps(measured))


def in_fresh_process(*words: str) -> tuple[dict[str, Any], float]:
    """Return what a child printed, and the most memory its processes held together, in MiB."""
    command = [sys.executable, "-W", "ignore", __file__, "child", *words]
    peak = 0.0
    with tempfile.TemporaryFile("w+") as answer:
        with subprocess.Popen(command, stdout=answer, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max(peak, sum(own_memory(pid) for pid in family(process.pid)))
                time.sleep(0.1)
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
        answer.seek(0)
        return json.loads(answer.read().splitlines()[-1]), peak


def compare(clock: str, repeats: int, demo: str, preset: str, engine: str, trainer: str) -> dict[str, Any]:
    """Plan and audit one setting, each afresh, and compare the medians."""
    setting = (demo, preset, engine, trainer)
    plans, audits, peaks, found, audit = [], [], [], {}, {}
    for _ in range(repeats):
        found, _ = in_fresh_process("plan", clock, *setting)
        audit, peak = in_fresh_process("audit", clock, *setting)
        plans.append((found["seconds"], found["memory_mb"], found["seconds_measuring"]))
        audits.append((audit["seconds"], audit["cpu_seconds"]))
        peaks.append(peak)
    seconds, memory, finding_out = (median(values) for values in zip(*plans, strict=True))
    took, cpu = (median(values) for values in zip(*audits, strict=True))
    peak = median(peaks)
    return {
        "demo": demo,
        "preset": preset,
        "engine": engine,
        "trainer": found["trainer"],
        "clock": clock,
        "repeats": repeats,
        "predicted_s": round(seconds, 2),
        "measured_s": round(took, 2),
        "ratio_s": round(seconds / took, 2),
        "predicted_mb": round(memory),
        "measured_mb": round(peak),
        "ratio_mb": round(memory / peak, 2),
        "finding_out_s": round(finding_out, 2),
        "audit_cpu_s": round(cpu, 2),
        "load": round(os.getloadavg()[0], 1),
        "predicted_steps": {row["step"]: row["seconds"] and round(row["seconds"], 3) for row in found["steps"]},
        "measured_steps": audit["parts"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demos", default=",".join(DEMOS))
    parser.add_argument("--presets", default="quick,standard")
    parser.add_argument("--engines", default="sequential,local")
    parser.add_argument("--trainers", default="fast")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    lists = [getattr(given, name).split(",") for name in ("demos", "presets", "engines", "trainers")]
    rows = []
    for setting in product(*lists):
        if given.clock == "cpu" and setting[2] != "sequential":
            continue
        rows.append(compare(given.clock, given.repeats, *setting))
        print(json.dumps(rows[-1]), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1))
    print(f"{'demo':14}{'preset':10}{'engine':11}{'seconds: foretold':>18}{'measured':>10}{'ratio':>7}", end="")
    print(f"{'MiB: foretold':>15}{'measured':>10}{'ratio':>7}  trainer")
    for row in rows:
        print(f"{row['demo']:14}{row['preset']:10}{row['engine']:11}{row['predicted_s']:18.1f}", end="")
        print(f"{row['measured_s']:10.1f}{row['ratio_s']:7.2f}{row['predicted_mb']:15}{row['measured_mb']:10}", end="")
        print(f"{row['ratio_mb']:7.2f}  {row['trainer'][:40]}")
    worst = {name: max(max(row[name], 1 / row[name]) for row in rows) for name in ("ratio_s", "ratio_mb")}
    print(f"farthest off: time {worst['ratio_s']:.2f} times, memory {worst['ratio_mb']:.2f} times")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main()
