"""Run the black-box attacks of the Adversarial Robustness Toolbox (ART) on one task.

Two attacks: a forest that learns on the members and nonmembers that are known, half of each, and is scored on the
other half; and a forest that learns on the outputs of shadow models (`ShadowModels`) trained on random halves of all
records, and is scored on all.

Run by benchmarks/peers.py in ART's environment: python tool_art.py TASK_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from art.attacks.inference.membership_inference import MembershipInferenceBlackBox, ShadowModels
from art.estimators.classification.scikitlearn import SklearnClassifier
from measure import Results, Task, cpu, read_task


def learner(task: Task) -> MembershipInferenceBlackBox:
    """Return the attack with its forest."""
    return MembershipInferenceBlackBox(SklearnClassifier(task.target), attack_model_type="rf")


def share(attack: MembershipInferenceBlackBox, task: Task, pred: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the probability of membership of `rows`."""
    found = attack.infer(None, task.y[rows], pred=pred[rows], probabilities=True)
    return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)[:, -1]


def half_known(task: Task, results: Results) -> None:
    """Learn on half of the members and nonmembers, score the rest; no shadow models."""
    scores = np.full(task.member.shape, np.nan)
    took = 0.0
    for number, member in enumerate(task.member):
        known = np.zeros(len(member), dtype=bool)
        rng = np.random.default_rng([task.seed, 2, number])
        for side in (np.flatnonzero(member), np.flatnonzero(~member)):
            known[rng.permutation(side)[: len(side) // 2]] = True
        start = cpu()
        pred = task.target.predict_proba(task.x) if number == 0 else task.proba[number]
        ins, outs = np.flatnonzero(known & member), np.flatnonzero(known & ~member)
        attack = learner(task)
        attack.fit(None, task.y[ins], None, task.y[outs], pred=pred[ins], test_pred=pred[outs])
        rest = np.flatnonzero(~known)
        scores[number, rest] = share(attack, task, pred, rest)
        took = cpu() - start if number == 0 else took
    results.add("black box, half of the members known", 0, scores, learning=took)


def with_shadows(task: Task, models: int, results: Results) -> float:
    """Learn on the outputs of so many shadow models and score all records; return the CPU seconds."""
    labels = np.eye(task.proba.shape[2])[task.y]
    everything = np.arange(len(task.y))
    start = cpu()
    shadows = ShadowModels(SklearnClassifier(task.target), num_shadow_models=models, random_state=task.seed)
    (_, y_in, pred_in), (_, y_out, pred_out) = shadows.generate_shadow_dataset(task.x, labels, member_ratio=0.5)
    training = cpu() - start
    start = cpu()
    attack = learner(task)
    attack.fit(None, y_in, None, y_out, pred=pred_in, test_pred=pred_out)
    scores = [share(attack, task, task.target.predict_proba(task.x), everything)]
    learning = cpu() - start
    scores += [share(attack, task, pred, everything) for pred in task.proba[1:]]
    results.add("black box on shadow models", models, np.stack(scores), training=training, learning=learning)
    return training + learning


def main(task_folder: Path, out: Path) -> None:
    """Run both attacks; the second for all numbers of shadow models that the budget allows."""
    task = read_task(task_folder)
    results = Results(cpu())
    np.random.seed(task.seed)  # noqa: NPY002  # the tool's forests take numpy's global random state
    half_known(task, results)
    spent, done = 0.0, 1
    for models in task.models:
        if not task.affordable(spent, done, models):
            results.notes.append(f"stopped before {models} shadow models: more than {task.budget:.0f} CPU-s expected")
            break
        spent, done = with_shadows(task, models, results), models
    results.write(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
