"""Stacked networks are the networks that scikit-learn makes with the same seeds; what cannot be stacked is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, Inclusion, run_shadows, train_shadows
from seepage.training.fast.perceptron import trainer_for
from seepage.training.fast.perceptron_steps import Adam
from seepage.training.fast.protocol import Stack

RNG = np.random.default_rng(3)
X2, Y2 = (values[:301] for values in load_breast_cancer(return_X_y=True))
X2 = scale(X2)
X10, Y10 = load_digits(return_X_y=True)
X10, Y10 = X10[:333] / 16, Y10[:333]
XR, YR = load_diabetes(return_X_y=True)
XR, YR = scale(XR)[:251], (YR[:251] - 150) / 77

SETTINGS = [
    {},
    {"activation": "tanh", "hidden_layer_sizes": (9, 7)},
    {"activation": "logistic", "hidden_layer_sizes": (9, 7, 5)},
    {"activation": "identity", "alpha": 0.0},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 1, "alpha": 3.0},
    {"hidden_layer_sizes": np.array([6])},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "learning_rate_init": 0.01},
    {"solver": "sgd", "learning_rate_init": 0.02},
    {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    {"solver": "sgd", "momentum": 0.0, "learning_rate": "invscaling", "learning_rate_init": 0.3, "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 0.02, "n_iter_no_change": 1},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5, "tol": 0.1, "n_iter_no_change": 1},
    {"batch_size": "auto"},
    {"batch_size": 10_000},
    {"batch_size": 1, "max_iter": 2},
    {"shuffle": False},
    {"max_iter": 60, "tol": 3e-3, "n_iter_no_change": 2},
    {"max_iter": 9, "tol": 0.0, "n_iter_no_change": np.inf},
    {"early_stopping": True, "n_iter_no_change": 2, "tol": 1e-3, "validation_fraction": 0.2, "max_iter": 30},
    {"early_stopping": True, "n_iter_no_change": 10**6, "max_iter": 6},
]


def made(kind, **settings):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 32, **settings})


def uneven(k, n):
    """Members of k models: 40 to 90 % of the records."""
    share = np.linspace(0.4, 0.9, k)[:, None]
    return np.random.default_rng(k).random((k, n)) < share


def both_ways(estimator, x, y, k=5):
    """Return the answers of k stacked networks and those of plain fits with the same members and seeds."""
    members, seeds = uneven(k, len(x)), tuple(range(100, 100 + k))
    classification = isinstance(estimator, MLPClassifier)
    labels = np.unique(y, return_inverse=True)[1] if classification else y
    stack = Stack(x, labels, members, seeds, int(labels.max()) + 1 if classification else 0)
    fast = np.concatenate(list(trainer_for(estimator, "").scores(stack)))
    plain = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for inside, seed in zip(members, seeds, strict=True):
            model = EstimatorRecipe(estimator).fit(Records(x[inside], y[inside]), seed)
            plain.append(model.predict_proba(x) if classification else model.predict(x))
    return fast, np.stack(plain)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("kind", "x", "y"), [(MLPClassifier, X2, Y2), (MLPClassifier, X10, Y10), (MLPRegressor, XR, YR)]
)
def test_stacked_networks_are_the_plain_ones(kind, x, y, settings):
    """A few epochs multiply rounding of 1e-16 by less than a million; a wrong constant anywhere shows at 1e-3."""
    fast, plain = both_ways(made(kind, **settings), x, y)
    assert fast.shape == plain.shape
    assert fast.dtype == plain.dtype
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-9)
    assert plain.std() > 1e-4


@pytest.mark.parametrize("settings", [{}, {"activation": "tanh"}, {"solver": "sgd"}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize(("kind", "x", "y"), [(MLPClassifier, X10, Y10), (MLPRegressor, XR, YR)])
def test_float32_rows_are_learnt_in_float32(kind, x, y, settings):
    """Rounding of 6e-8, times the same factor over few epochs."""
    fast, plain = both_ways(made(kind, **settings), x.astype(np.float32), y)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "settings", "word"),
    [
        (MLPClassifier, {"solver": "lbfgs"}, "lbfgs"),
        (MLPClassifier, {"warm_start": True}, "warm"),
        (MLPClassifier, {"max_fun": 10}, "max_fun"),
        (MLPClassifier, {"activation": "gelu"}, "gelu"),
        (MLPClassifier, {"learning_rate": "cosine"}, "cosine"),
        (MLPClassifier, {"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes"),
        (MLPClassifier, {"hidden_layer_sizes": "wide"}, "hidden_layer_sizes"),
        (MLPClassifier, {"alpha": -1.0}, "alpha"),
        (MLPClassifier, {"tol": None}, "tol"),
        (MLPClassifier, {"batch_size": 0.5}, "batch_size"),
        (MLPClassifier, {"max_iter": 0}, "max_iter"),
        (MLPRegressor, {"loss": "poisson"}, "poisson"),
    ],
)
def test_what_is_not_reproduced_is_refused(kind, settings, word):
    reason = trainer_for(kind(**settings), "")
    assert isinstance(reason, str)
    assert word in reason


def test_a_parameter_of_a_later_version_is_refused():
    class Later:
        def get_params(self, deep):
            return {**MLPClassifier().get_params(deep=deep), "dropout": 0.5}

    assert "dropout" in trainer_for(Later(), "")


def test_a_subclass_is_trained_one_by_one():
    class Own(MLPClassifier):
        pass

    assert train_shadows(made(Own, max_iter=1), (X2, Y2), 2).trainer == "one-by-one"


def tables(estimator, x, y, k=6):
    fast = train_shadows(estimator, (x, y), k)
    plain = train_shadows(estimator, (x, y), k, trainer="one-by-one")
    assert (fast.trainer, plain.trainer, fast.notes) == ("perceptron", "one-by-one", ())
    return next(iter(fast.arrays.values())), next(iter(plain.arrays.values()))


@pytest.mark.parametrize(
    ("estimator", "x", "y"),
    [
        (made(MLPClassifier), X2, np.where(Y2 == 1, "benign", "malignant")),
        (make_pipeline(StandardScaler(), made(MLPClassifier)), X10, Y10 * 10),
        (make_pipeline(StandardScaler(), made(MLPRegressor)), XR, YR),
    ],
    ids=["strings", "pipeline", "regression"],
)
def test_tables_are_the_same(estimator, x, y):
    """The signals are float32, and the margin magnifies differences of probabilities near 0 and 1."""
    np.testing.assert_allclose(*tables(estimator, x, y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_with_words(frame):
    n = 200
    words, numbers = RNG.choice(["a", "b", "c"], n), RNG.normal(size=(2, n))
    x = frame({"word": words, "one": numbers[0], "two": numbers[1]})
    y = (numbers[0] + (words == "a") + 0.3 * RNG.normal(size=n) > 0.3).astype(int)
    columns = ColumnTransformer(
        [("words", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["word"])], remainder=StandardScaler()
    )
    np.testing.assert_allclose(*tables(make_pipeline(columns, made(MLPClassifier)), x, y), rtol=1e-5, atol=1e-5)


def test_models_that_lack_a_class_and_fixed_members():
    y = np.where(np.arange(len(Y10)) < 3, 11, Y10)
    mask = uneven(6, len(y)).astype(np.uint8)
    mask[:, 200:] = 2
    mask[::2, :3], mask[1::2, 0] = 0, 1
    inclusion = Inclusion(mask, np.arange(len(y)) < 200, 0, "independent")
    arguments = {"task": Task.CLASSIFICATION, "seed": 4, "classes": np.unique(y)}
    recipe, records = EstimatorRecipe(made(MLPClassifier)), Records(X10, y)
    fast = run_shadows(recipe, records, inclusion, ["margin"], **arguments)
    plain = run_shadows(recipe, records, inclusion, ["margin"], trainer="one-by-one", **arguments)
    assert fast.trainer == "perceptron"
    np.testing.assert_allclose(fast.arrays["margin"], plain.arrays["margin"], rtol=1e-5, atol=1e-5)


def test_a_model_does_not_depend_on_its_neighbours():
    trainer = trainer_for(made(MLPClassifier, tol=1e-3, n_iter_no_change=1, max_iter=40), "")
    stack = Stack(X2, Y2, uneven(6, len(Y2)), tuple(range(6)), 2)
    together = np.concatenate(list(trainer.scores(stack)))
    alone = np.concatenate([block for i in range(6) for block in trainer.scores(stack.part(slice(i, i + 1)))])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-9)


def test_a_broken_trainer_is_not_believed(monkeypatch):
    step = Adam.step
    monkeypatch.setattr(Adam, "step", lambda self, w, g, decay: step(self, w, g, 20 * np.ones_like(w)))
    signals = train_shadows(made(MLPClassifier, max_iter=30), (X2, Y2), 4)
    assert signals.trainer == "one-by-one"
    assert any("stacked networks" in note and "difference" in note for note in signals.notes)


def test_records_that_cannot_be_held_back_are_said():
    members = np.ones((1, 12), dtype=bool)
    trainer = trainer_for(made(MLPClassifier, early_stopping=True), "")
    with pytest.raises(RecipeError, match="held back"):
        list(trainer.scores(Stack(X2[:12], np.array([1] + [0] * 11), members, (1,), 2)))
    with pytest.raises(RecipeError, match="one class"):
        list(trainer.scores(Stack(X2[:12], np.zeros(12, dtype=int), members, (1,), 1)))


def test_weights_that_overflow_are_said():
    trainer = trainer_for(made(MLPRegressor, solver="sgd", learning_rate_init=1e6), "")
    with pytest.raises(RecipeError, match="finite"):
        list(trainer.scores(Stack(XR, YR, uneven(2, len(YR)), (1, 2), 0)))


def test_wide_networks_are_stacked_by_few():
    trainer = trainer_for(MLPClassifier((128,)), "")
    assert 1 < trainer.at_once(10_000, 600, 100) < trainer_for(MLPClassifier((8,)), "").at_once(569, 30, 2)
    assert trainer.at_once(10**7, 600, 100) == 1


def test_memorisation_agrees_with_other_seeds_as_plain_tables_do():
    """With other training seeds, what stacked models remember of each record agrees as well as among plain tables."""
    x, y = X2, Y2
    estimator = made(MLPClassifier, max_iter=25, learning_rate_init=0.01)

    def memorised(seed, trainer):
        half = np.tile(np.arange(len(y)) % 2 == 0, (32, 1))
        mask = np.random.default_rng(9).permuted(half, axis=1)
        mask = np.vstack([mask, ~mask]).astype(np.uint8)
        table = run_shadows(
            EstimatorRecipe(estimator),
            Records(x, y),
            Inclusion(mask, np.ones(len(y), dtype=bool), 0, "independent"),
            ["margin"],
            task=Task.CLASSIFICATION,
            seed=seed,
            trainer=trainer,
        )
        assert table.trainer == ("perceptron" if trainer == "auto" else trainer)
        margin, inside = table.arrays["margin"].astype(float), mask == 1
        return np.array([m[i].mean() - m[~i].mean() for m, i in zip(margin.T, inside.T, strict=True)])

    one, other, fast = memorised(1, "one-by-one"), memorised(2, "one-by-one"), memorised(3, "auto")
    among_plain = np.corrcoef(one, other)[0, 1]
    assert among_plain > 0.5
    assert np.corrcoef(one, fast)[0, 1] > among_plain - 0.05
    assert np.corrcoef(other, fast)[0, 1] > among_plain - 0.05
    assert fast.std() == pytest.approx(one.std(), rel=0.15)
