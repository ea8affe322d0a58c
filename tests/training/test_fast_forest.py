"""Forests and bags grown directly are scikit-learn's, bit for bit; what cannot be reproduced is refused and said."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast import trees
from seepage.training.fast.choose import choose
from seepage.training.fast.forest import ForestTrainer
from seepage.training.fast.trees import builder_missing, float32_rows

CANCER = tuple(part[:151] for part in load_breast_cancer(return_X_y=True))
WINE = load_wine(return_X_y=True)
DIABETES = tuple(part[:153] for part in load_diabetes(return_X_y=True))


def both(model, data, n_shadows=3, **options):
    """Return the signals of the fast way and of the plain one; scikit-learn's warnings are the plain way's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = train_shadows(model, data, n_shadows, **options)
        plain = train_shadows(model, data, n_shadows, trainer="one-by-one", **options)
    assert fast.trainer in ("forest", "bagging"), fast.notes
    assert fast.arrays.keys() == plain.arrays.keys()
    return fast, plain


def equal(model, data, n_shadows=3, **options):
    fast, plain = both(model, data, n_shadows, **options)
    # the very same trees summed in the same order: nothing may differ
    assert all(np.array_equal(fast.arrays[name], plain.arrays[name]) for name in plain.arrays)
    return fast


FORESTS = [
    RandomForestClassifier(12),
    RandomForestClassifier(12, criterion="entropy", max_features=None, max_depth=4),
    RandomForestClassifier(12, max_features="log2", max_leaf_nodes=6, min_samples_leaf=3),
    RandomForestClassifier(12, max_features=0.3, min_samples_split=0.1, min_samples_leaf=0.02),
    RandomForestClassifier(12, max_features=2, min_weight_fraction_leaf=0.03, min_impurity_decrease=0.01),
    RandomForestClassifier(12, ccp_alpha=0.01),
    RandomForestClassifier(12, monotonic_cst=[1, -1] + [0] * 28),
    RandomForestClassifier(12, max_samples=0.5, n_jobs=2, oob_score=True),
    RandomForestClassifier(12, max_samples=20, warm_start=True),
    RandomForestClassifier(12, class_weight="balanced"),
    RandomForestClassifier(12, class_weight="balanced", max_samples=0.6),
    RandomForestClassifier(12, class_weight="balanced_subsample"),
    RandomForestClassifier(12, bootstrap=False, class_weight="balanced_subsample"),
    ExtraTreesClassifier(12),
    ExtraTreesClassifier(12, bootstrap=True, class_weight="balanced", criterion="log_loss"),
    BaggingClassifier(n_estimators=7),
    BaggingClassifier(n_estimators=7, max_samples=0.6, max_features=0.4, bootstrap=False),
    BaggingClassifier(n_estimators=7, max_features=9, bootstrap_features=True, oob_score=True),
    BaggingClassifier(DecisionTreeClassifier(class_weight="balanced", splitter="random", max_depth=3), 7),
]


@pytest.mark.parametrize("model", FORESTS, ids=lambda model: " ".join(repr(model).split()))
def test_classifiers_are_the_plain_ones(model):
    signals = equal(model, CANCER)
    assert signals.notes == ()
    # the table tells members from others, so equality is of something that varies
    margin, inside = signals.arrays["margin"], signals.inclusion.mask.astype(bool)
    assert margin.std() > 0 and margin[inside].mean() > margin[~inside].mean()


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(9),
        RandomForestRegressor(5, criterion="absolute_error", max_depth=3),
        RandomForestRegressor(9, criterion="poisson", max_features=3, monotonic_cst=[1] * 10),
        ExtraTreesRegressor(9, ccp_alpha=5.0),
        BaggingRegressor(n_estimators=6),
        BaggingRegressor(DecisionTreeRegressor(max_depth=4, max_features="sqrt"), 6, max_features=0.5),
    ],
    ids=lambda model: " ".join(repr(model).split()),
)
def test_regressors_are_the_plain_ones(model):
    assert "residual" in equal(model, DIABETES).arrays


@pytest.mark.parametrize("model", [RandomForestClassifier(8), BaggingClassifier(n_estimators=4)])
def test_several_classes_with_names_and_32_bits(model):
    x, y = WINE
    equal(model, (x.astype(np.float32), np.array(["red", "white", "rosé"])[y]), n_shadows=5)
    equal(model, (np.round(x * 10).astype(np.int64), y))


@pytest.mark.parametrize("model", [RandomForestClassifier(6), BaggingClassifier(n_estimators=4)])
def test_a_class_that_some_models_lack(model):
    x, y = WINE[0], WINE[1].copy()
    y[:2] = 7
    signals = equal(model, (x, y), n_shadows=8)
    held = signals.inclusion.mask[:, :2].sum(axis=1)
    assert {0}.issubset(held.tolist()) and held.max() > 0


def test_pipelines_scale_each_model_on_its_own_members():
    equal(make_pipeline(StandardScaler(), RandomForestClassifier(6)), CANCER)
    equal(Pipeline([("scale", StandardScaler()), ("bag", BaggingClassifier(n_estimators=4))]), CANCER)
    equal(make_pipeline(StandardScaler(), ExtraTreesRegressor(6)), DIABETES)


@pytest.mark.parametrize("library", [pd, pl])
def test_pipelines_with_named_columns(library):
    x, y = WINE
    frame = library.DataFrame(
        {
            "alcohol": x[:, 0],
            "hue": x[:, 10],
            "shade": np.array(["pale", "mid", "deep"])[(x[:, 9] // 4).astype(int) % 3],
        }
    )
    columns = ColumnTransformer(
        [("kind", OneHotEncoder(handle_unknown="ignore"), ["shade"])], remainder="passthrough", sparse_threshold=0
    )
    equal(make_pipeline(columns, RandomForestClassifier(6)), (frame, y))


@pytest.mark.parametrize("model", [RandomForestClassifier(6, class_weight="balanced"), BaggingClassifier()])
def test_audits_with_records_that_stay_in(model):
    x, y = CANCER
    records, member = Records(x, y), np.arange(151) < 120
    inclusion = draw_inclusion(records.ids, member, 5, seed=3)
    given = {"task": Task.CLASSIFICATION, "seed": 5, "classes": np.unique(y), "population": Records(x[:7] + 1, y[:7])}
    recipe = EstimatorRecipe(model)
    fast = run_shadows(recipe, records, inclusion, ("margin", "correct"), **given)
    plain = run_shadows(recipe, records, inclusion, ("margin", "correct"), trainer="one-by-one", **given)
    assert fast.trainer != plain.trainer
    for name in ("margin", "correct"):
        assert np.array_equal(fast.arrays[name], plain.arrays[name])
        assert np.array_equal(fast.population[name], plain.population[name])


def test_the_same_in_processes_and_in_any_stack():
    alone = train_shadows(RandomForestClassifier(5), CANCER, 11)
    beside = train_shadows(RandomForestClassifier(5), CANCER, 11, engine="local", jobs=2)
    few = train_shadows(RandomForestClassifier(5), CANCER, 3)
    assert np.array_equal(alone.arrays["margin"], beside.arrays["margin"])
    assert np.array_equal(alone.inclusion.mask[:2], few.inclusion.mask[:2])
    assert np.array_equal(alone.arrays["margin"][:2], few.arrays["margin"][:2])


class Subclassed(RandomForestClassifier):
    """Not scikit-learn's own."""


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (RandomForestClassifier(class_weight={0: 1.0, 1: 2.0}), "weights given for each class"),
        (RandomForestClassifier(oob_score=lambda y, p: 0.0), "a score of its own"),
        (RandomForestClassifier(bootstrap=False, oob_score=True), "need bootstrap"),
        (ExtraTreesClassifier(max_samples=0.5), "need bootstrap"),
        (RandomForestRegressor(criterion="chi2"), "'chi2'"),
        (RandomForestClassifier(max_features="auto"), "'auto'"),
        (BaggingClassifier(LogisticRegression()), "LogisticRegression"),
        (BaggingClassifier(ExtraTreeClassifier()), "ExtraTreeClassifier"),
        (BaggingClassifier(DecisionTreeClassifier(class_weight={0: 2.0})), "weights given for each class"),
        (BaggingClassifier(DecisionTreeClassifier(splitter="worst")), "'worst'"),
        (BaggingClassifier(bootstrap=False, oob_score=True), "oob_score needs"),
        (BaggingRegressor(warm_start=True, oob_score=True), "oob_score needs"),
        (Subclassed(), "no fast trainer for Subclassed"),
    ],
)
def test_what_is_not_reproduced_is_refused(model, why):
    chosen = choose(EstimatorRecipe(model), Task.CLASSIFICATION)
    assert chosen.trainer is None
    assert why in chosen.reason


def test_settings_that_only_show_in_the_data_fall_back_with_a_note():
    x, y = WINE
    with pytest.raises(Exception, match="onotonic"):
        train_shadows(RandomForestClassifier(3, monotonic_cst=[1] * 13), (x, y), 2)
    holes = x.copy()
    holes[3, 4] = np.nan
    signals = train_shadows(RandomForestClassifier(3), (holes, y), 2)
    assert signals.trainer == "one-by-one"
    assert "missing or infinite" in signals.notes[0]


def test_numbers_beyond_32_bits_are_refused():
    with np.errstate(over="ignore"), pytest.raises(Exception, match="too large for 32 bits"):
        float32_rows(np.array([[1e300]]))


def test_a_trainer_with_a_wrong_constant_is_not_believed(monkeypatch):
    real = ForestTrainer._draws

    def shifted(self, seed, y, weigh):
        return real(self, seed + 1, y, weigh)

    monkeypatch.setattr(ForestTrainer, "_draws", shifted)
    signals = train_shadows(RandomForestClassifier(5), CANCER, 3)
    monkeypatch.undo()
    assert signals.trainer == "one-by-one"
    assert "not the one a plain fit makes" in signals.notes[0]
    plain = train_shadows(RandomForestClassifier(5), CANCER, 3, trainer="one-by-one")
    assert np.array_equal(signals.arrays["margin"], plain.arrays["margin"])


def test_a_scikit_learn_without_this_builder_is_noticed(monkeypatch):
    assert builder_missing() == ""
    real = trees._module

    class Other:
        Tree = object

    monkeypatch.setattr(trees, "_module", lambda name: Other if name == "_tree" else real(name))
    assert "another way" in choose(EstimatorRecipe(RandomForestClassifier()), Task.CLASSIFICATION).reason
    signals = train_shadows(RandomForestClassifier(4), CANCER, 2)
    assert signals.trainer == "one-by-one"

    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(trees, "_module", gone)
    assert "another way" in builder_missing()
