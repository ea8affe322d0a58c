"""Naive Bayes in closed form: the same probabilities as scikit-learn's, model by model."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast.bayes import trainer_for
from seepage.training.fast.protocol import Stack

RNG = np.random.default_rng(5)
N = 301
TWO = np.where(RNG.random(N) < 0.4, "yes", "no")
THREE = RNG.integers(0, 3, N) * 10
X = RNG.normal(size=(N, 5)) * np.array([1, 1e-2, 1e3, 1, 4]) + (TWO == "yes")[:, None] * 0.5 + 1e4
COUNTS = RNG.poisson(1.0 + THREE[:, None] / 20, size=(N, 6))
COUNT_KINDS = [
    MultinomialNB(),
    MultinomialNB(alpha=np.linspace(0.1, 2, 6), fit_prior=False),
    MultinomialNB(alpha=0, force_alpha=False),
    ComplementNB(),
    ComplementNB(norm=True, alpha=0.3),
    BernoulliNB(),
    BernoulliNB(binarize=1.5, alpha=0.2),
    CategoricalNB(min_categories=40),
]


def differ(estimator, x, y, k=7):
    """Return the largest difference in the true class's probability, after a check of who did the work."""
    fast = train_shadows(estimator, (x, y), k)
    plain = train_shadows(estimator, (x, y), k, trainer="one-by-one")
    assert fast.trainer in ("gaussian-nb", "count-nb")
    assert (plain.trainer, fast.notes) == ("one-by-one", ())
    a, b = (expit(one.arrays["margin"].astype(float)) for one in (fast, plain))
    return np.abs(a - b).max()


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        GaussianNB(var_smoothing=1e-3),
        make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.01)),
        make_pipeline(MinMaxScaler(), GaussianNB()),
    ],
    ids=str,
)
def test_gaussian(estimator, y):
    assert differ(estimator, X, y) < 1e-6


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("estimator", COUNT_KINDS, ids=str)
def test_counts(estimator, y):
    assert differ(estimator, COUNTS, y) < 1e-6


def test_priors():
    assert differ(GaussianNB(priors=[0.9, 0.1]), X, TWO) < 1e-6
    assert differ(BernoulliNB(class_prior=[0.2, 0.3, 0.5]), COUNTS, THREE) < 1e-6


def test_large_means_and_columns_alike_within_a_class():
    """A mean of 1e8 spreads costs no digits; a column that is constant in one class has only the smoothing left."""
    assert differ(GaussianNB(), RNG.normal(size=(N, 2)) + 1e8, TWO) < 1e-6
    sharp = np.column_stack([X[:, 3], np.where(TWO == "yes", 3.0, RNG.normal(size=N)), np.full(N, 0.1)])
    for y in (TWO, THREE, np.where(TWO == "yes", "yes", THREE.astype(str))):
        assert differ(GaussianNB(), sharp, y) < 1e-6
    assert differ(GaussianNB(), np.column_stack([X, np.arange(N) % 97 == 0]), THREE, 16) < 1e-6


def test_float32_and_one_hot_columns_of_a_table():
    assert differ(GaussianNB(), (X - 1e4).astype(np.float32), TWO) < 1e-5
    assert differ(MultinomialNB(), COUNTS.astype(np.float32), TWO) < 1e-6
    table = pl.DataFrame({"a": X[:, 0], "b": X[:, 3], "c": RNG.choice(["u", "v", "w"], N)})
    columns = ColumnTransformer([("n", MinMaxScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["c"])])
    assert differ(make_pipeline(columns, GaussianNB()), table, TWO) < 1e-6
    assert differ(make_pipeline(columns, ComplementNB()), table, THREE) < 1e-6


@pytest.mark.parametrize(("estimator", "x"), [(GaussianNB(), X), (MultinomialNB(), COUNTS), (ComplementNB(), COUNTS)])
def test_a_rare_class_is_missing_in_some_models(estimator, x):
    rare = np.where(np.arange(N) < 2, "aa", TWO)
    assert differ(estimator, x, rare, 9) < 1e-6
    alone = np.where(np.arange(N) < 1, "aa", "b")
    with pytest.raises(RecipeError, match="single class"):
        train_shadows(estimator, (x, alone), 2)


def test_audit_with_fixed_members():
    records = Records(X, TWO)
    inclusion = draw_inclusion(records.ids, np.arange(N) < 240, 7, seed=1)
    made = [
        run_shadows(
            EstimatorRecipe(GaussianNB()),
            records,
            inclusion,
            ("margin", "modified-entropy", "correct"),
            task=Task.CLASSIFICATION,
            seed=3,
            classes=np.array(["yes", "no"]),
            trainer=trainer,
        )
        for trainer in ("auto", "one-by-one")
    ]
    assert made[0].trainer == "gaussian-nb"
    fast, plain = (one.arrays for one in made)
    assert np.abs(expit(fast["margin"]) - expit(plain["margin"])).max() < 1e-6
    assert np.allclose(fast["modified-entropy"], plain["modified-entropy"], rtol=1e-5, atol=1e-6)
    assert (fast["correct"] != plain["correct"]).mean() < 0.001


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (GaussianNB(priors=[1.0, 0.0]), "positive"),
        (GaussianNB(priors=[0.4, 0.4]), "add up to 1"),
        (MultinomialNB(alpha=0.0), "alpha"),
        (BernoulliNB(alpha=[1.0, 2.0]), "an alpha for each feature"),
        (CategoricalNB(alpha=[1.0, 2.0]), "an alpha for each feature"),
        (ComplementNB(class_prior=[0.0, 1.0]), "prior of zero"),
        (CategoricalNB(min_categories=[3, 4]), "min_categories"),
    ],
)
def test_what_has_no_closed_form_is_said(estimator, reason):
    assert reason in trainer_for(estimator, "")


@pytest.mark.parametrize(
    ("estimator", "x", "reason"),
    [
        (BernoulliNB(binarize=None), COUNTS, "0 or 1"),
        (GaussianNB(var_smoothing=0.0), np.column_stack([X, TWO == "yes"]).astype(float), "all alike"),
    ],
)
def test_data_without_closed_form_goes_one_by_one(estimator, x, reason):
    """scikit-learn itself answers such data with nonsense, so only the trainer's own word is looked at."""
    made = trainer_for(estimator, "")
    stack = Stack(x.astype(float), (TWO == "yes").astype(int), RNG.random((2, N)) < 0.5, (0, 1), 2)
    with pytest.raises(RecipeError, match=reason):
        list(made.scores(stack))


def test_unseen_highest_category_goes_one_by_one():
    x = np.column_stack([np.arange(N) % 3, np.arange(N) == 0])
    with pytest.raises(RecipeError, match="out of bounds"):
        train_shadows(CategoricalNB(), (x, TWO), 2)
    assert differ(CategoricalNB(min_categories=3), x, TWO) < 1e-6
