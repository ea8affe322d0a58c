"""Distance to the boundary: the distance itself on a known boundary, known answers, categories that stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seepage.attacks.membership.boundary import Boundary
from seepage.attacks.protocol import Scene
from seepage.errors import InputError
from seepage.records import Records
from seepage.spec import Access, AuditSpec, Task
from seepage.targets import open_target
from seepage.targets.oracle import oracle_of
from seepage.testing import check_attack, toy_leaky_scene
from tests.attacks.label_only import attack_scene, scene_of_model


def test_it_conforms() -> None:
    assert any(check.name == "keeps to its budget of queries" for check in check_attack(Boundary(iterations=1)))


def plane(n: int = 200, width: int = 6) -> tuple[Scene, np.ndarray]:
    """A linear model, whose boundary is a plane at a known distance."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, width)) * np.linspace(1.0, 5.0, width)
    normal = rng.normal(size=width) / x.std(axis=0)
    y = (x @ normal > 0).astype(int)
    target = open_target(
        lambda rows: np.column_stack([rows @ normal <= 0, rows @ normal > 0]).astype(float),
        access="scores",
        task="classification",
        classes=[0, 1],
    )
    scene = Scene(
        Task.CLASSIFICATION,
        np.arange(n),
        None,
        np.arange(n) < n // 2,
        {"correct": np.ones(n, dtype=np.float32)},
        records=Records(x, y),
        oracle=oracle_of(target),
    )
    return scene, np.abs(x @ normal) / np.linalg.norm(normal * x.std(axis=0))


def test_the_distance_is_that_of_a_known_boundary() -> None:
    scene, true = plane()
    attack = Boundary(iterations=8, probes=40, halvings=12)
    needs = attack.needs(AuditSpec((Access.LABELS,), scene.task))
    ranking = attack.run(replace(scene, oracle=scene.allowed(needs)))
    found = ranking.variants["without calibration"]
    assert (found >= true - 1e-6).all(), "a row on the other side cannot be nearer than the boundary"
    assert np.median(found / true) < 1.1
    coarse = Boundary(iterations=0)
    line = coarse.run(replace(scene, oracle=scene.allowed(coarse.needs(AuditSpec((Access.LABELS,), scene.task)))))
    assert np.median(line.variants["without calibration"] / true) > np.median(found / true)


def test_it_sees_more_than_the_bare_label_of_a_model_that_memorises() -> None:
    found = [attack_scene(Boundary(), scene_of_model(overfitted=True, seed=seed)) for seed in range(3)]
    assert np.mean([f.auc for f in found]) > np.mean([f.gap for f in found]) + 0.02
    assert all(0 < f.queries <= f.allowed for f in found)


def test_it_is_silent_on_a_model_that_cannot_memorise() -> None:
    found = [attack_scene(Boundary(), scene_of_model(overfitted=False, seed=seed)).auc for seed in range(4)]
    assert abs(np.mean(found) - 0.5) < 0.03


def test_records_labelled_wrongly_lie_at_distance_zero() -> None:
    scene, _ = plane(80)
    wrong = np.zeros(80, dtype=bool)
    wrong[:10] = True
    y = np.where(wrong, 1 - scene.records.y, scene.records.y)
    scene = replace(scene, records=Records(scene.records.x, y), signals={"correct": (~wrong).astype(np.float32)})
    attack = Boundary(iterations=1)
    ranking = attack.run(replace(scene, oracle=scene.allowed(attack.needs(AuditSpec((Access.LABELS,), scene.task)))))
    assert (ranking.variants["without calibration"][wrong] == 0).all()
    assert (ranking.variants["without calibration"][~wrong] > 0).all()
    assert ranking.scores[wrong].max() < ranking.scores[~wrong].min()


def test_a_model_with_one_answer_has_no_boundary_and_says_so() -> None:
    scene, _ = plane(60)
    y = np.asarray(scene.records.y)
    always = open_target(
        lambda rows: np.tile([0.1, 0.9], (len(rows), 1)), access="labels", task="classification", classes=[0, 1]
    )
    scene = replace(scene, signals={"correct": (y == 1).astype(np.float32)}, oracle=oracle_of(always))
    assert attack_scene(Boundary(), scene).notes[0].startswith(f"for {int((y == 1).sum())} records no row")


def test_only_numbers_are_moved() -> None:
    seen = []

    def model(rows: np.ndarray) -> np.ndarray:
        seen.append(rows[:, 1])
        high = rows[:, 0].astype(float) > 5.0
        return np.column_stack([~high, high]).astype(float)

    x = np.array([[float(i % 11), "abc"[i % 3]] for i in range(66)], dtype=object)
    y = (x[:, 0].astype(float) > 5.0).astype(int)
    target = open_target(model, access="labels", task="classification", classes=[0, 1])
    scene = Scene(
        Task.CLASSIFICATION,
        np.arange(66),
        None,
        np.arange(66) < 33,
        {"correct": np.ones(66, dtype=np.float32)},
        records=Records(x, y),
        oracle=oracle_of(target),
    )
    assert np.isfinite(attack_scene(Boundary(iterations=1), scene).scores).all()
    assert {value for part in seen for value in part} == {"a", "b", "c"}
    categories = replace(scene, records=Records(x[:, 1:], y))
    with pytest.raises(InputError, match="none that vary"):
        attack_scene(Boundary(), categories)


def test_parameters_are_refused() -> None:
    for wrong in ({"iterations": -1}, {"probes": 1}, {"halvings": 0}, {"neighbours": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Boundary(**wrong)
    with pytest.raises(InputError, match="a target to ask"):
        Boundary().run(replace(toy_leaky_scene("classification", 0, 40), records=None))
