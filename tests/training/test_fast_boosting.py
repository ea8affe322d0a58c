"""Boosting on presorted rows makes scikit-learn's models up to the choice among equally good splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_classification, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, draw_pool, run_shadows, train_shadows
from seepage.training.fast.boosting import BoostingTrainer
from seepage.training.fast.choose import choose
from seepage.training.fast.presorted import Presorted

CANCER = tuple(part[:301] for part in load_breast_cancer(return_X_y=True))
WINE = load_wine(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
CLASSES = make_classification(401, 6, n_informative=4, n_redundant=0, flip_y=0.1, random_state=1)
THREE = make_classification(403, 6, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.1, random_state=1)
NUMBERS = make_regression(407, 5, noise=20.0, random_state=1)


def table(model, data, n_shadows=4, **options):
    signals = train_shadows(model, data, n_shadows, **options)
    name = "residual" if "residual" in signals.arrays else "margin"
    return signals, signals.arrays[name], signals.inclusion.mask.astype(bool)


def memorised(values, inside):
    """Return how far each record's signal rises when it is a member."""
    return np.where(inside, values, 0).sum(0) / inside.sum(0) - np.where(inside, 0, values).sum(0) / (~inside).sum(0)


@pytest.mark.parametrize("settings", [{"max_depth": 2, "min_samples_leaf": 0.05}, {"min_samples_leaf": 8}])
def test_where_no_splits_tie_every_record_agrees(settings):
    model = GradientBoostingRegressor(n_estimators=15, min_samples_split=0.15, warm_start=True, **settings)
    signals, fast, _ = table(model, NUMBERS)
    _, plain, _ = table(model, NUMBERS, trainer="one-by-one")
    assert signals.trainer == "boosting", signals.notes
    # sums are added in another order, and the table is kept in 32 bits: 1e-5 of the signal's own spread
    assert np.abs(fast - plain).max() <= 1e-5 * plain.std()


@pytest.mark.parametrize("data", [CLASSES, THREE, CANCER])
@pytest.mark.parametrize("settings", [{"max_depth": 1}, {"max_depth": 2, "min_samples_leaf": 0.05}, {}])
def test_fast_and_plain_differ_no_more_than_two_plain_fits_of_the_same_members(data, settings):
    # splits tie: at first all records of a class have one gradient, and what parts the classes alike is as good
    recipe = EstimatorRecipe(GradientBoostingClassifier(n_estimators=15, **settings))
    records = Records(*data)
    inclusion = draw_pool(records.ids, 12, seed=2)

    def margins(seed, trainer):
        made = run_shadows(
            recipe, records, inclusion, ("margin",), task=Task.CLASSIFICATION, seed=seed, trainer=trainer
        )
        assert made.trainer == ("boosting" if trainer == "auto" else trainer), made.notes
        return made.arrays["margin"]

    plain, other = margins(0, "one-by-one"), margins(1, "one-by-one")
    usual = np.abs(plain - other).mean()
    for fast in (margins(0, "auto"), margins(2, "auto")):
        # rounding breaks some ties before chance does, the same way for all seeds: half a percent of the spread
        assert np.abs(fast - plain).mean() <= 1.3 * usual + 0.005 * plain.std()


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (GradientBoostingClassifier(n_estimators=30), CANCER),
        (GradientBoostingClassifier(n_estimators=12), WINE),
        (GradientBoostingRegressor(n_estimators=30), DIABETES),
    ],
)
def test_memorisation_agrees_as_well_as_between_two_plain_tables(model, data):
    signals, fast, inside = table(model, data, 24)
    _, plain, same = table(model, data, 24, trainer="one-by-one")
    _, other, others = table(model, data, 24, seed=1, trainer="one-by-one")
    assert signals.trainer == "boosting", signals.notes
    assert np.array_equal(inside, same)
    if "residual" in signals.arrays:
        fast, plain, other = -np.abs(fast), -np.abs(plain), -np.abs(other)
    usual = np.corrcoef(memorised(plain, same), memorised(other, others))[0, 1]
    mine = np.corrcoef(memorised(fast, inside), memorised(other, others))[0, 1]
    assert mine > usual - 0.05
    # with the same members it is nearly the same table, which mere likeness of raw signals would not show
    assert np.corrcoef(memorised(fast, inside), memorised(plain, same))[0, 1] > max(usual, 0.97)
    for side in (inside, ~inside):
        assert abs(fast[side].mean() - plain[side].mean()) < 0.05 * plain.std()
        assert abs(fast[side].std() / plain[side].std() - 1) < 0.05


def test_the_best_split_is_scikit_learns():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 5)).astype(np.float32), rng.normal(size=90)
    splits = Presorted(x, 1, 2, 7).grow(y, np.random.RandomState(0))
    tree = DecisionTreeRegressor(max_depth=1, min_samples_leaf=7, random_state=0).fit(x, y).tree_
    assert splits.features[0] == tree.feature[0]
    assert splits.thresholds[0] == tree.threshold[0]
    assert np.array_equal(splits.leaves(x), (tree.apply(x) == 2).astype(int))


def test_a_tie_is_broken_by_chance_and_a_constant_is_never_split():
    step = np.repeat([0.0, 1.0], 10).astype(np.float32)
    x = np.stack([np.ones(20, np.float32), step, step * 3], axis=1)
    rows, random = Presorted(x, 2, 2, 1), np.random.RandomState(0)
    seen = {int(rows.grow(step.astype(float), random).features[0]) for _ in range(40)}
    assert seen == {1, 2}
    assert np.isinf(rows.grow(np.ones(20), random).thresholds).all()
    assert np.isinf(Presorted(x[:, :1], 2, 2, 1).grow(step.astype(float), random).thresholds).all()


def test_names_32_bits_and_a_class_that_some_models_lack():
    x, y = WINE[0].astype(np.float32), np.array(["red", "white", "rosé"])[WINE[1]]
    signals, fast, inside = table(GradientBoostingClassifier(n_estimators=4), (x, y), 6)
    assert signals.trainer == "boosting", signals.notes
    assert fast[inside].mean() > fast[~inside].mean()
    y = np.where(np.arange(len(y)) < 2, "sherry", y)
    signals, rare, _ = table(GradientBoostingClassifier(n_estimators=4), (x, y), 8)
    _, plain, _ = table(GradientBoostingClassifier(n_estimators=4), (x, y), 8, trainer="one-by-one")
    held = signals.inclusion.mask[:, :2].sum(axis=1)
    assert signals.trainer == "boosting" and held.min() == 0 and held.max() > 0
    lacking = held == 0
    assert np.array_equal(rare[lacking][:, :2], plain[lacking][:, :2])


def test_pipelines_scale_each_model_on_its_own_members():
    model = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=15, min_samples_split=0.15))
    signals, fast, _ = table(model, CLASSES)
    _, plain, _ = table(model, CLASSES, trainer="one-by-one")
    assert signals.trainer == "boosting", signals.notes
    # a scaled number may fall on the other side of a threshold in 32 bits: a record or two may differ
    assert np.quantile(np.abs(fast - plain), 0.99) <= 1e-3 * plain.std()


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
    model = make_pipeline(columns, GradientBoostingClassifier(n_estimators=6))
    signals, fast, inside = table(model, (frame, y), 6)
    _, plain, _ = table(model, (frame, y), 6, trainer="one-by-one")
    assert signals.trainer == "boosting", signals.notes
    assert np.corrcoef(memorised(fast, inside), memorised(plain, inside))[0, 1] > 0.9


def test_audits_with_records_that_stay_in():
    x, y = CLASSES
    records, member = Records(x, y), np.arange(len(y)) < 320
    inclusion = draw_inclusion(records.ids, member, 5, seed=3)
    given = {"task": Task.CLASSIFICATION, "seed": 5, "classes": np.unique(y), "population": Records(x[:7] + 1, y[:7])}
    recipe = EstimatorRecipe(GradientBoostingClassifier(n_estimators=12, max_depth=2, min_samples_leaf=9))
    fast = run_shadows(recipe, records, inclusion, ("margin",), **given)
    plain = run_shadows(recipe, records, inclusion, ("margin",), trainer="one-by-one", **given)
    assert fast.trainer == "boosting", fast.notes
    assert np.allclose(fast.arrays["margin"], plain.arrays["margin"], atol=1e-4)
    assert np.allclose(fast.population["margin"], plain.population["margin"], atol=1e-4)


def test_the_same_twice_and_in_any_stack():
    model = GradientBoostingClassifier(n_estimators=5)
    _, many, masks = table(model, CANCER, 11)
    _, few, mask = table(model, CANCER, 3)
    assert np.array_equal(masks[:2], mask[:2])
    assert np.array_equal(many[:2], few[:2])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"loss": "exponential"}, "'exponential'"),
        ({"criterion": "absolute_error"}, "'absolute_error'"),
        ({"subsample": 0.5}, "subsample=0.5"),
        ({"init": DummyClassifier()}, "init=DummyClassifier()"),
        ({"init": "zero"}, "init='zero'"),
        ({"max_features": "sqrt"}, "max_features='sqrt'"),
        ({"max_leaf_nodes": 5}, "max_leaf_nodes=5"),
        ({"n_iter_no_change": 3}, "n_iter_no_change=3"),
        ({"min_weight_fraction_leaf": 0.1}, "min_weight_fraction_leaf=0.1"),
        ({"min_impurity_decrease": 0.1}, "min_impurity_decrease=0.1"),
        ({"ccp_alpha": 0.1}, "ccp_alpha=0.1"),
        ({"max_depth": None}, "depth None"),
        ({"max_depth": 12}, "depth 12"),
    ],
)
def test_what_is_not_reproduced_is_refused(settings, why):
    chosen = choose(EstimatorRecipe(GradientBoostingClassifier(**settings)), Task.CLASSIFICATION)
    assert chosen.trainer is None
    assert why in chosen.reason


@pytest.mark.parametrize("name", ["rate", "depth", "stages"])
def test_a_trainer_with_a_wrong_constant_is_not_believed(monkeypatch, name):
    real, wrong = BoostingTrainer._boosted, {"rate": 0.3, "depth": 1, "stages": 5}[name]

    def changed(self, *given):
        held = getattr(self, name)
        object.__setattr__(self, name, wrong)
        try:
            return real(self, *given)
        finally:
            object.__setattr__(self, name, held)

    monkeypatch.setattr(BoostingTrainer, "_boosted", changed)
    signals, believed, _ = table(GradientBoostingClassifier(n_estimators=20), CANCER, 3)
    assert signals.trainer == "one-by-one"
    assert "not the one a plain fit makes" in signals.notes[0]
    _, plain, _ = table(GradientBoostingClassifier(n_estimators=20), CANCER, 3, trainer="one-by-one")
    assert np.array_equal(believed, plain)
