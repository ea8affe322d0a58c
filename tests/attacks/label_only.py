"""Real models with labels only, for the tests of attacks that ask about rows of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from seepage.attacks.protocol import Scene
from seepage.records import Records
from seepage.spec import Access, AuditSpec, Task
from seepage.targets import open_target
from seepage.targets.oracle import oracle_of


@dataclass(frozen=True)
class Outcome:
    """Scores of an attack with what it cost and what the bare label shows."""

    auc: float
    gap: float
    scores: np.ndarray
    queries: int
    allowed: int
    notes: tuple[str, ...]


def scene_of_model(*, overfitted: bool, seed: int = 0, n: int = 900) -> Scene:
    """Half of the records are members of a forest that memorises noisy labels, or of a model that cannot."""
    x, codes = make_classification(n, 10, n_informative=5, flip_y=0.15, class_sep=0.8, random_state=seed)
    y = np.array(["well", "ill"])[codes]
    order = np.random.default_rng(seed).permutation(n)
    x, y = x[order], y[order]
    model = RandomForestClassifier(40, random_state=seed) if overfitted else LogisticRegression(C=1e-3)
    target = open_target(model.fit(x[: n // 2], y[: n // 2]), access="labels")
    return Scene(
        task=Task.CLASSIFICATION,
        ids=np.arange(n),
        persons=None,
        truth=np.arange(n) < n // 2,
        signals={"correct": (target.labels(x) == y).astype(np.float32)},
        n_classes=2,
        seed=seed,
        records=Records(x, y),
        oracle=oracle_of(target),
    )


def attack_scene(attack, scene: Scene) -> Outcome:
    needs = attack.needs(AuditSpec((Access.LABELS,), scene.task))
    assert needs.access is Access.LABELS and needs.oracle and needs.records and needs.queries
    oracle = scene.allowed(needs)
    ranking = attack.run(replace(scene, oracle=oracle, truth=np.zeros_like(scene.truth)))
    return Outcome(
        float(roc_auc_score(scene.truth, ranking.scores)),
        float(roc_auc_score(scene.truth, scene.signals["correct"])),
        ranking.scores,
        oracle.queries,
        needs.queries * len(scene.ids),
        ranking.notes,
    )
