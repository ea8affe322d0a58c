"""Linear regression and ridge in closed form: the same predictions as scikit-learn's, model by model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast.ridge import trainer_for

RNG = np.random.default_rng(3)
X = RNG.normal(size=(331, 6)) * np.array([1, 1e-3, 1e3, 1, 5, 1]) + np.array([0, 1, 1e5, 0, -7, 3])
Y = X @ np.array([1, 900, 1e-3, 0.5, 0, -1.0]) + RNG.normal(size=331)


def differ(estimator, x, y, k=7):
    """Return the largest difference in standard deviations of y, after a check that the fast trainer did the work."""
    fast = train_shadows(estimator, (x, y), k)
    plain = train_shadows(estimator, (x, y), k, trainer="one-by-one")
    assert (fast.trainer, plain.trainer, fast.notes) == ("ridge", "one-by-one", ())
    return np.abs(fast.arrays["residual"] - plain.arrays["residual"]).max() / np.std(y)


# signals are float32, which tell residuals of a few standard deviations apart to 1e-7 of one
@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        Ridge(),
        Ridge(alpha=0.0, solver="cholesky"),
        Ridge(alpha=300.0, fit_intercept=False, solver="svd"),
        make_pipeline(StandardScaler(), LinearRegression()),
        make_pipeline(StandardScaler(), Ridge(5.0)),
        make_pipeline(StandardScaler(), Ridge(5.0, fit_intercept=False)),
        make_pipeline(StandardScaler(with_mean=False), Ridge(0.1)),
        make_pipeline(StandardScaler(), StandardScaler(with_std=False), Ridge(0.1)),
    ],
    ids=str,
)
def test_same_as_one_by_one(estimator):
    assert differ(estimator, X, Y) < 1e-6


def test_whole_numbers_float32_and_one_column():
    assert differ(Ridge(), np.round(X[:, 2:]).astype(int), np.round(Y).astype(int)) < 1e-6
    # scikit-learn solves float32 rows in float32, here they are solved in float64; where that shows, it has its way
    single = X[:, [0, 3]].astype(np.float32)
    assert differ(Ridge(), single, Y - Y.mean()) < 1e-5
    assert "not the one a plain fit makes" in train_shadows(Ridge(), (single, Y + 1e4), 2).notes[0]
    assert differ(LinearRegression(), X[:, :1], Y) < 1e-6


def test_dependent_columns_are_solved_with_least_norm():
    twice = np.column_stack([X[:, [0, 3]], X[:, 0] * 2 - X[:, 3], np.ones(len(X))])
    assert differ(LinearRegression(), twice, Y) < 1e-6
    assert differ(make_pipeline(StandardScaler(), LinearRegression()), twice, Y) < 1e-6
    assert differ(Ridge(), twice, Y) < 1e-6
    wide = RNG.normal(size=(40, 60))
    assert differ(LinearRegression(), wide, wide[:, 0]) < 1e-6
    assert differ(Ridge(), wide, wide[:, 0] + RNG.normal(size=40)) < 1e-6
    note = train_shadows(Ridge(alpha=0.0), (twice, Y), 2).notes[0]
    assert "columns depend on each other" in note


def test_a_column_that_is_constant_for_some_models():
    rare = np.column_stack([X[:, [0, 3]], np.arange(len(X)) == 5])
    for estimator in (LinearRegression(), Ridge(), make_pipeline(StandardScaler(), Ridge())):
        assert differ(estimator, rare, Y, 8) < 1e-6


def test_other_preprocessing_on_a_table():
    table = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=RNG.choice(["u", "v", "w"], len(X)))
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["c"])])
    assert differ(make_pipeline(columns, Ridge()), table, Y) < 1e-6


def test_audit_with_fixed_members_and_population():
    """Four fifths members: three fifths are in every model, and the population is only read."""
    records, population = Records(X[:300], Y[:300]), Records(X[300:], Y[300:])
    inclusion = draw_inclusion(records.ids, np.arange(300) < 240, 9, seed=1)
    made = [
        run_shadows(
            EstimatorRecipe(make_pipeline(StandardScaler(), Ridge(2.0))),
            records,
            inclusion,
            ("residual",),
            task=Task.REGRESSION,
            seed=3,
            population=population,
            trainer=trainer,
        )
        for trainer in ("auto", "one-by-one")
    ]
    assert made[0].trainer == "ridge"
    for name in ("arrays", "population"):
        fast, plain = (getattr(one, name)["residual"] for one in made)
        assert np.abs(fast - plain).max() < 1e-6 * np.std(Y)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (LinearRegression(positive=True), "positive"),
        (Ridge(positive=True), "positive"),
        (Ridge(solver="sag"), "'sag'"),
        (Ridge(solver="lsqr"), "'lsqr'"),
        (Ridge(alpha=[1.0]), "one number"),
        (Ridge(alpha=-1.0), "not negative"),
        (Ridge(alpha=np.inf), "one number"),
    ],
)
def test_what_has_no_closed_form_is_said(estimator, reason):
    assert reason in trainer_for(estimator, "")
