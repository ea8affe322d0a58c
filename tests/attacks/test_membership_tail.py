"""The tail of large losses: counts by hand, silence without training's trace, and real models of both kinds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import seepage
from seepage.attacks.membership.tail import Tail
from seepage.attacks.protocol import AuditorView
from seepage.datasets import load
from seepage.errors import InputError
from seepage.records import Records, make_split
from seepage.testing import toy_auditor_scene
from seepage.testing.auditor import ToyTarget


def scene_of(residuals_in, residuals_out, persons=None):
    """A regressor that always says 0, so that the outcomes are the residuals."""

    class Zero(LogisticRegression):
        _estimator_type = "regressor"

        def __sklearn_tags__(self):
            from sklearn.linear_model import LinearRegression

            return LinearRegression().__sklearn_tags__()

        def predict(self, x):
            return np.zeros(len(x))

    sides = []
    for start, y in ((0, residuals_in), (10_000, residuals_out)):
        ids = np.arange(start, start + len(y))
        own = None if persons is None else ids // persons
        sides.append(Records(np.zeros((len(y), 1)), np.asarray(y, dtype=float), ids=ids, persons=own))
    scene = toy_auditor_scene("regression", leaky=False, seed=0, n=40)
    return replace(scene, auditor=AuditorView(ToyTarget(Zero()), make_split(*sides)))


def test_the_share_is_counted_by_hand():
    members = np.arange(1.0, 101.0)
    nonmembers = np.concatenate([np.full(30, 1000.0), np.full(70, 0.5)])
    measures = Tail().run(scene_of(members, nonmembers))
    assert measures.aggregates["tnr_at_fnr_0.1"] == pytest.approx(0.3)
    assert measures.aggregates["tnr_at_fnr_0.001"] is None
    flag = measures.flags[0]
    assert flag.code == "SEP116" and flag.raised and flag.value == pytest.approx(0.3)
    assert not Tail().run(scene_of(nonmembers, members)).flags[0].raised


def test_equal_distributions_raise_no_more_alarms_than_announced():
    raised = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        raised += Tail().run(scene_of(rng.standard_t(3, 300), rng.standard_t(3, 300))).flags[0].raised
    assert raised <= 4


def test_rows_of_one_person_count_once():
    y = np.repeat(np.arange(1.0, 51.0), 4)
    measures = Tail().run(scene_of(y, y, persons=4))
    assert measures.aggregates["members"] == measures.aggregates["nonmembers"] == 50
    assert any("each person's rows" in note for note in measures.notes)


def test_too_few_members_are_undecided():
    flag = Tail().run(scene_of([1.0, 2.0], [1.0, 2.0, 3.0])).flags[0]
    assert flag.undecided and not flag.raised


def test_toys_of_both_kinds():
    for task in ("classification", "regression"):
        assert Tail().run(toy_auditor_scene(task, leaky=True, seed=0)).flags[0].raised
        assert not Tail().run(toy_auditor_scene(task, leaky=False, seed=0)).flags[0].raised


def test_it_needs_the_auditors_view():
    scene = toy_auditor_scene("classification", leaky=True, seed=0)
    with pytest.raises(InputError, match="auditor's view"):
        Tail().run(replace(scene, auditor=None))


@pytest.mark.parametrize("access", ["labels", "scores"])
def test_real_models_of_both_kinds(access):
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order], y[order]
    y = np.where(np.random.default_rng(1).random(len(y)) < 0.15, 1 - y, y)  # outcomes nobody can foresee
    sides = (x[:284], y[:284]), (x[284:], y[284:])
    for model, raised in (
        (RandomForestClassifier(50, random_state=0), True),
        (make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), False),
    ):
        audit = seepage.audit(model.fit(*sides[0]), *sides, access=access, shadows=2, attacks=["membership/tail"])
        assert any(f.code == "SEP116" for f in audit.findings) is raised
        entry = audit.to_dict()["evidence"][0]
        assert entry["access"] == "auditor" and entry["cost"]["models"] == 0


def test_adult_of_both_kinds():
    data = load("adult")
    x, y = data.x, np.asarray(data.y)
    numbers = np.column_stack([np.asarray(x[name]) for name in x.columns if np.asarray(x[name]).dtype.kind in "if"])
    order = np.random.default_rng(1).permutation(len(y))[:3000]
    x, y = numbers[order], y[order]
    sides = (x[:1500], y[:1500]), (x[1500:], y[1500:])
    for leaf, raised in ((1, True), (100, False)):
        model = RandomForestClassifier(30, min_samples_leaf=leaf, random_state=0).fit(*sides[0])
        audit = seepage.audit(model, *sides, access="scores", shadows=2, attacks=["membership/tail"])
        assert any(f.code == "SEP116" for f in audit.findings) is raised
