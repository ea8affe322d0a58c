"""Transfer of adversarial changes: slopes against finite differences, cross-fitting, known answers, few queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seepage.attacks.membership.surrogate import imitate
from seepage.attacks.membership.transfer import Transfer
from seepage.errors import InputError
from seepage.records import Records
from seepage.spec import Access, AuditSpec, Task
from seepage.targets import open_target
from seepage.targets.oracle import oracle_of
from seepage.testing import check_attack, toy_leaky_scene
from tests.attacks.label_only import attack_scene, scene_of_model


def test_it_conforms() -> None:
    assert any(check.name == "keeps to its budget of queries" for check in check_attack(Transfer(steps=60)))


def test_slopes_agree_with_finite_differences() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 3))
    column = rng.integers(3, size=120)
    nets = imitate(z, column, 3, nets=4, steps=40, rng=rng)
    at, small = z[:5], 1e-5
    slope = nets.slope(at, column[:5])
    for place in range(3):
        step = np.zeros(3)
        step[place] = small
        up, down = nets.log_probability(at + step, column[:5]), nets.log_probability(at - step, column[:5])
        np.testing.assert_allclose(slope[:, place], (up - down) / (2 * small), rtol=1e-5, atol=1e-7)


def test_surrogates_learn_what_they_imitate() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(600, 4))
    column = (z[:, 0] * z[:, 1] > 0).astype(np.intp)
    nets = imitate(z[:400], column[:400], 2, nets=3, steps=400, rng=rng)
    believed = np.exp(nets.log_probability(z[400:], column[400:]))
    assert (believed > 0.5).mean() > 0.85


def test_it_sees_more_than_the_bare_label_of_a_model_that_memorises() -> None:
    found = [attack_scene(Transfer(), scene_of_model(overfitted=True, seed=seed)) for seed in range(3)]
    assert np.mean([f.auc for f in found]) > np.mean([f.gap for f in found]) + 0.02
    assert all(f.queries == f.allowed == 7 * 900 for f in found)


def test_it_is_silent_on_a_model_that_cannot_memorise() -> None:
    found = [attack_scene(Transfer(), scene_of_model(overfitted=False, seed=seed)).auc for seed in range(4)]
    assert abs(np.mean(found) - 0.5) < 0.03


def test_surrogates_never_learn_from_the_record_they_judge() -> None:
    """A target that answers by chance: surrogates that had seen a record would know its answer, and p̂ would show it."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(200, 40)), rng.integers(2, size=200)
    by_row = {row.tobytes(): answer for row, answer in zip(x, rng.integers(2, size=200), strict=True)}
    target = open_target(
        lambda rows: np.eye(2)[[by_row.get(np.asarray(row).tobytes(), 0) for row in rows]],
        access="labels",
        task="classification",
        classes=[0, 1],
    )
    scene = replace(
        toy_leaky_scene("classification", 0, 200), records=Records(x, y), oracle=oracle_of(target), signals={}
    )
    attack = Transfer(thresholds=(0.5,), steps=400)
    scores = attack.run(
        replace(scene, oracle=scene.allowed(attack.needs(AuditSpec((Access.LABELS,), Task.CLASSIFICATION))))
    ).scores
    right = np.array([by_row[row.tobytes()] for row in x]) == y
    doubt = scores % 1.0
    assert abs(roc_auc_score(right, doubt) - 0.5) < 0.15


def test_same_twice_and_persons_stay_together() -> None:
    scene = scene_of_model(overfitted=True, n=200)
    attack = Transfer(steps=40)
    np.testing.assert_array_equal(attack_scene(attack, scene).scores, attack_scene(attack, scene).scores)
    one = replace(scene, persons=np.zeros(200, dtype=int))
    with pytest.raises(InputError, match="half of the persons"):
        attack_scene(attack, one)


def test_parameters_are_refused() -> None:
    for wrong in ({"thresholds": (1.5,)}, {"thresholds": ()}, {"surrogates": 0}, {"steps": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Transfer(**wrong)
    with pytest.raises(InputError, match="a target to ask"):
        Transfer().run(replace(toy_leaky_scene("classification", 0, 40), oracle=None))
    scene = scene_of_model(overfitted=True, n=100)
    flags = Records((scene.records.x > 0).astype(float), scene.records.y)
    with pytest.raises(InputError, match="none that vary"):
        attack_scene(Transfer(steps=5), replace(scene, records=flags))
