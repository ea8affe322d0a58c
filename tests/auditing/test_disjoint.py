"""The attacker's row: shadow models on other people only, and no trace of membership in who was left out."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

import seepage
from seepage import Options
from seepage.attacks.membership import RMIA, LiRA
from seepage.errors import InputError
from seepage.report.words import how_sure
from seepage.stats import auc_of_samples
from seepage.training.disjoint import draw_disjoint

X, Y = load_breast_cancer(return_X_y=True)


def audit(**options):
    model = RandomForestClassifier(30, random_state=0).fit(X[::2], Y[::2])
    return seepage.audit(
        model, (X[::2], Y[::2]), (X[1::2], Y[1::2]), access="scores", shadows=8, options=Options(**options)
    )


def test_no_member_is_in_any_model_and_every_record_is_as_often_silent():
    is_member = np.arange(300) % 3 > 0
    draw = draw_disjoint(np.arange(300), is_member, 16, seed=3)
    assert not draw.inclusion.mask[:, is_member].any()
    assert (draw.inclusion.included.sum(axis=1) == 50).all()
    assert set(draw.usable.sum(axis=0).tolist()) == {8}
    assert not (draw.usable & draw.inclusion.included).any()


def test_models_are_of_the_targets_size_where_enough_people_are_outside():
    is_member = np.arange(500) < 100
    draw = draw_disjoint(np.arange(500), is_member, 40, seed=0)
    assert (draw.inclusion.included.sum(axis=1) == 100).all()
    silent = 40 - draw.usable.sum(axis=0)
    assert abs(silent[is_member].mean() - silent[~is_member].mean()) < 1e-9


def test_rows_of_one_person_go_together():
    persons = np.repeat(np.arange(60), 3)
    draw = draw_disjoint(persons, persons < 30, 6, seed=1)
    by_person = draw.usable.reshape(6, 60, 3)
    assert (by_person == by_person[:, :, :1]).all()


@pytest.mark.parametrize("attack", [LiRA(), RMIA()])
def test_pure_noise_shows_no_membership(attack):
    is_member = np.arange(400) < 200
    values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        draw = draw_disjoint(np.arange(400), is_member, 8, seed=seed)
        table = np.where(draw.usable, rng.normal(size=(8, 400)) + rng.normal(size=400), np.nan)
        scores = attack.score(table, np.zeros((8, 400), dtype=bool), rng.normal(size=400))
        values.append(auc_of_samples(scores[is_member], scores[~is_member]).value)
    # 60 independent AUCs of 200 and 200: standard error 0.029 / sqrt(60)
    assert abs(np.mean(values) - 0.5) < 4 * 0.029 / np.sqrt(60)


def test_the_row_stands_beside_the_auditors_and_is_weaker():
    found = audit(disjoint_shadows=True)
    entry = found.evidence["membership/lira"].entry
    row = entry["disjoint"]
    assert row["models"] == 8 and row["shadow_size"] == 142
    assert 0.5 < row["metrics"]["auc"]["low"] < row["metrics"]["auc"]["value"] < entry["metrics"]["auc"]["value"]
    assert found.evidence["membership/loss"].entry["disjoint"] is None
    said = " ".join(how_sure(entry))
    assert "An attacker whose 8 shadow models hold 142 other people's records each" in said


def test_without_asking_there_is_no_row_and_no_more_training():
    entry = audit().evidence["membership/lira"].entry
    assert entry["disjoint"] is None


def test_too_few_other_people_are_said():
    with pytest.raises(InputError, match="at least 4 of them outside"):
        draw_disjoint(np.arange(10), np.arange(10) < 7, 4, seed=0)
