"""Run seepage's LiRA, RMIA and BaVarIA on one task; shadow models by the fastest trainer that fits.

Run by benchmarks/peers.py: python tool_seepage.py TASK_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from measure import Results, cpu, read_task

from seepage.attacks.membership import RMIA, BaVarIA, LiRA
from seepage.signals import margin
from seepage.targets.floor import probability_floor
from seepage.training import train_shadows

ATTACKS = {"BaVarIA": BaVarIA(), "RMIA, online": RMIA("online"), "RMIA": RMIA(), "LiRA": LiRA()}


def main(task_folder: Path, out: Path) -> None:
    """Train and score once for each number of shadow models, from nothing each time."""
    task = read_task(task_folder)
    results = Results(cpu())
    spent, done = 0.0, 1
    for models in task.models:
        if not task.affordable(spent, done, models):
            results.notes.append(f"stopped before {models} shadow models: more than {task.budget:.0f} CPU-s expected")
            break
        start = cpu()
        signals = train_shadows(task.target, (task.x, task.y), n_shadows=models, seed=task.seed)
        training = cpu() - start
        start = cpu()
        floor = probability_floor(task.target)
        first = margin(task.target.predict_proba(task.x), task.y, floor=floor)
        reading = cpu() - start
        others = [margin(proba, task.y, floor=floor) for proba in task.proba[1:]]
        for name, attack in ATTACKS.items():
            start = cpu()
            scores = [attack.score(signals, None, first)]
            scoring = cpu() - start
            scores += [attack.score(signals, None, other) for other in others]
            results.add(name, models, np.stack(scores), training=training, reading=reading, scoring=scoring)
        spent, done = training + reading, models
        results.notes += [f"trainer: {signals.trainer}", *signals.notes]
    results.notes = list(dict.fromkeys(results.notes))
    results.write(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
