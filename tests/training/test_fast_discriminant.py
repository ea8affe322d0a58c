"""Discriminant analysis in closed form: the same probabilities as scikit-learn's, model by model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Linear
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis as Quadratic
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from seepage.training import train_shadows
from seepage.training.fast.discriminant import trainer_for

RNG = np.random.default_rng(8)
N = 403
TWO = np.where(RNG.random(N) < 0.3, "yes", "no")
FOUR = RNG.integers(0, 4, N)
X = RNG.normal(size=(N, 5)) @ RNG.normal(size=(5, 5)) + 50 + (TWO == "yes")[:, None] + FOUR[:, None] * np.arange(5) / 5


def differ(estimator, x, y, k=7):
    """Return the largest difference in the true class's probability, after a check of who did the work."""
    fast = train_shadows(estimator, (x, y), k)
    plain = train_shadows(estimator, (x, y), k, trainer="one-by-one")
    assert fast.trainer in ("linear-discriminant", "quadratic-discriminant"), fast.notes
    assert (plain.trainer, fast.notes) == ("one-by-one", ())
    a, b = (expit(one.arrays["margin"].astype(float)) for one in (fast, plain))
    return np.abs(a - b).max()


@pytest.mark.parametrize("y", [TWO, FOUR], ids=["two", "four"])
@pytest.mark.parametrize(
    "estimator",
    [
        Linear(),
        Linear(solver="lsqr"),
        Linear(solver="eigen"),
        Linear(store_covariance=True, tol=0.3),
        make_pipeline(StandardScaler(), Linear()),
        make_pipeline(MinMaxScaler(), Linear()),
        Quadratic(),
        Quadratic(reg_param=0.2),
        Quadratic(solver="eigen", reg_param=0.2),
        make_pipeline(StandardScaler(), Quadratic(store_covariance=True)),
    ],
    ids=str,
)
def test_same_as_one_by_one(estimator, y):
    assert differ(estimator, X, y) < 1e-6


@pytest.mark.parametrize("kind", [Linear, Quadratic])
def test_priors(kind):
    assert differ(kind(priors=[0.5, 0.5]), X, TWO) < 1e-6
    assert differ(kind(priors=[0.1, 0.2, 0.3, 0.4]), X, FOUR) < 1e-6


def test_columns_of_very_different_units():
    x = X * np.array([1e-4, 1, 1e4, 1, 1]) + 1e3
    assert differ(Linear(), x, FOUR) < 1e-6
    assert differ(Quadratic(), X * np.array([1, 1, 100, 1, 1]), FOUR) < 1e-6


def test_a_rare_class_is_missing_in_some_models():
    assert differ(Linear(), X, np.where(np.arange(N) < 2, "aa", TWO), 9) < 1e-6


def test_a_table_with_categories():
    table = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=RNG.choice(["u", "v", "w"], N))
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(drop="first"), ["c"])])
    assert differ(make_pipeline(columns, Linear()), table, TWO) < 1e-6


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (Linear(solver="lsqr", shrinkage=0.1), "shrunken"),
        (Quadratic(solver="eigen", shrinkage="auto"), "shrunken"),
        (Linear(n_components=1), "n_components"),
        (Linear(priors=[1.0, 0.0]), "positive"),
        (Linear(priors=[2.0, 2.0]), "add up to 1"),
        (Linear(solver="eigen", priors=[0.5, 0.5]), "'eigen'"),
    ],
)
def test_what_has_no_closed_form_is_said(estimator, reason):
    assert reason in trainer_for(estimator, "")


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.column_stack([X, X[:, 0] - X[:, 1]]), "depend on each other"),
        (np.column_stack([X, np.ones(N)]), "constant"),
    ],
)
def test_columns_that_tell_nothing_go_one_by_one(x, reason):
    made = train_shadows(Linear(), (x, TWO), 4)
    assert made.trainer == "one-by-one"
    assert reason in made.notes[0]
