"""Logistic regressions fitted all at once are the ones scikit-learn fits one by one, minimum or not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast import linear, newton, quasi_newton
from seepage.training.fast.choose import choose
from seepage.training.fast.line_search import CURVATURE, DECREASE, Search
from seepage.training.fast.protocol import Stack

RAW, BENIGN = (part[:301] for part in load_breast_cancer(return_X_y=True))
CANCER = StandardScaler().fit_transform(RAW), BENIGN
WINE = StandardScaler().fit_transform(load_wine().data), load_wine().target
RNG = np.random.default_rng(3)
IN_STEP = 1e-6
"""The same steps: only rounding differs, and float32 of the signal."""
AT_MINIMUM = 2e-5
"""scikit-learn at a tolerance of 1e-7 against the minimum itself."""


def probability(signals):
    return expit(signals.arrays["margin"].astype(float))


def gap(model, data, n_shadows=6, **options):
    """Return the largest difference of the two ways; scikit-learn's warnings are the plain way's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = train_shadows(model, data, n_shadows, **options)
        plain = train_shadows(model, data, n_shadows, trainer="one-by-one", **options)
    assert fast.trainer == "logistic", fast.notes
    return np.abs(probability(fast) - probability(plain)).max()


MODELS = [
    LogisticRegression(),
    LogisticRegression(C=0.01),
    LogisticRegression(C=30.0, max_iter=1000),
    LogisticRegression(max_iter=3),
    LogisticRegression(tol=1e-2),
    LogisticRegression(fit_intercept=False),
    LogisticRegression(class_weight="balanced"),
    LogisticRegression(warm_start=True, intercept_scaling=5.0),
]


@pytest.mark.parametrize("data", [CANCER, WINE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_every_model_stops_where_the_solver_stops(model, data):
    assert gap(model, data) <= IN_STEP


@pytest.mark.parametrize("data", [CANCER, WINE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky"])
@pytest.mark.parametrize("more", [{}, {"fit_intercept": False, "C": 0.1}, {"class_weight": "balanced"}], ids=str)
def test_tight_tolerance_means_the_minimum(data, solver, more):
    assert gap(LogisticRegression(solver=solver, tol=1e-7, max_iter=5000, **more), data) <= AT_MINIMUM


@pytest.mark.parametrize("data", [CANCER, WINE], ids=["two classes", "three classes"])
def test_minimum_has_no_gradient(data):
    x, y = data
    members = RNG.random((7, len(y))) < 0.5
    trainer = choose(EstimatorRecipe(LogisticRegression(tol=1e-8)), Task.CLASSIFICATION).trainer
    (answers,) = trainer.scores(Stack(x, y, members, tuple(range(7)), int(y.max()) + 1))
    for scores, inside in zip(answers, members, strict=True):
        plain = LogisticRegression(tol=1e-12, max_iter=10_000).fit(x[inside], y[inside])
        assert np.abs(plain.predict_proba(x) - scores).max() <= 1e-6
        # the intercept is not penalised: expected counts are the observed ones
        assert np.allclose(scores[inside].sum(axis=0), np.bincount(y[inside]), atol=1e-5)


@pytest.mark.parametrize("tol", [1e-4, 1e-7])
@pytest.mark.parametrize("intercept", [True, False])
def test_each_model_scales_its_own_rows(tol, intercept):
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=tol, max_iter=2000, fit_intercept=intercept))
    limit = IN_STEP if tol > 1e-6 else AT_MINIMUM
    assert gap(model, (RAW, BENIGN)) <= limit
    assert gap(model, (load_wine().data, load_wine().target)) <= limit


@pytest.mark.parametrize("tol", [1e-4, 1e-7])
def test_rows_that_no_scaling_explains(tol):
    model = make_pipeline(StandardScaler(), PCA(5, svd_solver="full"), LogisticRegression(tol=tol, max_iter=2000))
    assert gap(model, (RAW, BENIGN)) <= AT_MINIMUM


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("tol", [1e-4, 1e-7])
def test_frame_with_columns_of_both_kinds(frame, tol):
    columns = {f"x{i}": RAW[:, i] for i in range(4)}
    columns["town"] = np.array(["north", "south", "west"])[np.arange(301) % 3]
    encode = ColumnTransformer(
        [
            ("numbers", StandardScaler(), [f"x{i}" for i in range(4)]),
            ("town", OneHotEncoder(sparse_output=False), ["town"]),
        ]
    )
    model = make_pipeline(encode, LogisticRegression(tol=tol, max_iter=2000))
    assert gap(model, (frame(columns), BENIGN)) <= AT_MINIMUM


def test_a_pipelines_columns_are_recognised_as_scaled_and_others_are_not():
    members, y = np.ones((3, 40), dtype=bool), np.arange(40) % 2
    x = RNG.normal(size=(40, 4))
    x[:, 3] = 1.0
    scaled = np.stack([x, (x - 5.0) * 3.0, x / np.array([1.0, 2.0, 3.0, 4.0])])
    sign = np.where(y == 1, -1.0, 1.0)
    rows = linear.rows_of_stack(Stack(scaled, y, members, (1, 2, 3), 2, own_rows=True), sign, intercept=True)
    assert isinstance(rows, linear.AffineRows)
    bent = scaled.copy()
    bent[1, 17, 2] += 1e-4
    own = linear.rows_of_stack(Stack(bent, y, members, (1, 2, 3), 2, own_rows=True), sign, intercept=True)
    assert isinstance(own, linear.OwnRows)
    coefficients, scores = RNG.normal(size=(3, 1, 5)), RNG.normal(size=(3, 1, 40))
    for intercept in (True, False):
        stack = Stack(scaled, y, members, (1, 2, 3), 2, own_rows=True)
        rows, plain = linear.rows_of_stack(stack, sign, intercept=intercept), linear.OwnRows(scaled, sign, intercept)
        some = coefficients[:, :, : rows.width]
        assert rows.width == plain.width
        assert np.allclose(rows.forward(some), plain.forward(some))
        assert np.allclose(rows.read(some), plain.read(some))
        assert np.allclose(rows.back(scores), plain.back(scores))


def test_string_labels_a_rare_class_and_odd_sizes():
    labels = np.where(BENIGN == 1, "benign", "malignant").astype(object)
    labels[:2] = "rare"
    data = (CANCER[0], labels.astype(str))
    signals = train_shadows(LogisticRegression(max_iter=500), data, 8)
    lacking = ~signals.inclusion.included[:, :2].any(axis=1)
    assert 0 < lacking.sum() < 8, "every model or none lacks the class: the test asks nothing"
    assert gap(LogisticRegression(max_iter=500), data, 8) <= IN_STEP


def test_float32_rows_are_fitted_to_their_own_precision():
    # scikit-learn computes in float32 here, seepage does not
    assert gap(LogisticRegression(), (CANCER[0].astype(np.float32), BENIGN)) <= 1e-3


def test_surplus_members_and_a_population():
    records = Records(*(part[:250] for part in CANCER))
    inclusion = draw_inclusion(records.ids, np.arange(250) < 200, 5, seed=2)
    assert inclusion.included.all(axis=0).any(), "nobody is in every model: the test asks nothing"
    options = {
        "task": Task.CLASSIFICATION,
        "seed": 1,
        "population": Records(*(part[250:] for part in CANCER)),
        "classes": np.array([0, 1]),
    }
    for model in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        recipe = EstimatorRecipe(model)
        fast = run_shadows(recipe, records, inclusion, ("margin",), **options)
        plain = run_shadows(recipe, records, inclusion, ("margin",), trainer="one-by-one", **options)
        assert fast.trainer == "logistic", fast.notes
        for one, other in ((fast.arrays, plain.arrays), (fast.population, plain.population)):
            assert np.abs(expit(one["margin"]) - expit(other["margin"])).max() <= IN_STEP


@pytest.mark.parametrize("tol", [1e-4, 1e-7])
def test_answers_do_not_depend_on_the_other_models(tol):
    x, y = CANCER
    members = RNG.random((6, len(y))) < 0.5
    trainer = choose(EstimatorRecipe(LogisticRegression(tol=tol)), Task.CLASSIFICATION).trainer
    stack = Stack(x, y, members, tuple(range(6)), 2)
    (whole,), (alone,) = trainer.scores(stack), trainer.scores(stack.part(slice(2, 3)))
    assert np.allclose(whole[2:3], alone, rtol=0, atol=1e-7)


REFUSED = [
    (LogisticRegression(solver="liblinear"), "liblinear"),
    (LogisticRegression(solver="saga", l1_ratio=1.0, tol=1e-7), "l1_ratio"),
    (LogisticRegression(solver="saga", l1_ratio=0.5, tol=1e-7), "l1_ratio"),
    (LogisticRegression(penalty="l1", solver="saga", tol=1e-7), "penalty"),
    (LogisticRegression(class_weight={0: 1.0, 1: 3.0}), "by label"),
    (LogisticRegression(dual=True), "dual"),
    (LogisticRegression(solver="newton-cholesky"), "newton-cholesky"),
    (LogisticRegression(solver="sag"), "sag"),
    (LogisticRegression(max_iter=0), "max_iter"),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=[str(model) for model, _ in REFUSED])
def test_what_is_not_reproduced_is_refused_with_a_reason(model, reason):
    choice = choose(EstimatorRecipe(model), Task.CLASSIFICATION)
    assert choice.trainer is None
    assert reason in choice.reason


def test_older_ways_to_say_how_many_classes_are_treated_are_refused():
    older = LogisticRegression()
    older.multi_class = "ovr"  # a parameter up to scikit-learn 1.7
    assert "multi_class" in newton.trainer_for(older, "")
    older.multi_class = "auto"
    assert isinstance(newton.trainer_for(older, ""), newton.LogisticTrainer)


def test_a_subclass_is_left_alone():
    class Mine(LogisticRegression):
        pass

    assert choose(EstimatorRecipe(Mine()), Task.CLASSIFICATION).trainer is None


@pytest.mark.parametrize(("model", "what"), [(LogisticRegression(C=np.inf, tol=1e-7), "minimum")], ids=["separable"])
def test_a_model_without_a_minimum_is_left_to_the_plain_way(model, what):
    x = RNG.normal(size=(60, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signals = train_shadows(model, (x, (x[:, 0] > 0).astype(int)), 4)
    assert signals.trainer == "one-by-one"
    assert what in " ".join(signals.notes)


def test_no_penalty_with_a_minimum():
    x = RNG.normal(size=(301, 3))
    y = (x[:, 0] + 2 * RNG.normal(size=301) > 0).astype(int)
    assert gap(LogisticRegression(C=np.inf), (x, y)) <= IN_STEP
    assert gap(LogisticRegression(C=np.inf, tol=1e-7), (x, y)) <= AT_MINIMUM


def test_too_many_classes_or_columns_are_said(monkeypatch):
    monkeypatch.setattr(newton, "_CLASSES", 2)
    assert "3 classes" in " ".join(train_shadows(LogisticRegression(), WINE, 2).notes)
    monkeypatch.setattr(newton, "_WIDTH", 10)
    assert "columns" in " ".join(train_shadows(LogisticRegression(), CANCER, 2).notes)


@pytest.mark.parametrize("tol", [1e-4, 1e-7])
def test_a_trainer_with_a_wrong_constant_is_not_believed(monkeypatch, tol):
    honest = newton.LogisticTrainer._weights
    monkeypatch.setattr(newton.LogisticTrainer, "_weights", lambda self, stack: 0.5 * honest(self, stack))
    signals = train_shadows(LogisticRegression(tol=tol, max_iter=1000), CANCER, 4)
    assert signals.trainer == "one-by-one"
    assert "not the one a plain fit makes" in " ".join(signals.notes)


def test_scores_beyond_the_range_of_exp_keep_their_loss():
    eta = np.array([[[-5.0, 3.0, 800.0]]])
    loss, residual = quasi_newton.loss_and_residual(eta, np.ones((1, 3)), np.ones((1, 3)))
    assert np.allclose(loss, np.logaddexp(0, eta).sum())
    assert np.allclose(residual, expit(eta))


FUNCTIONS = {
    "parabola": (lambda t: (t - 3.0) ** 2, lambda t: 2 * (t - 3.0)),
    "late minimum": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "wall": (lambda t: np.exp(min(t, 700.0)) - 10 * t, lambda t: np.exp(min(t, 700.0)) - 10),
    "bumps": (lambda t: 0.1 * t * t - t + np.sin(4 * t) / 5, lambda t: 0.2 * t - 1 + 0.8 * np.cos(4 * t)),
}
"""The second is function 5.1 of Moré & Thuente (1994)."""


@pytest.mark.parametrize("first", [1e-3, 0.1, 10.0, 1e3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_line_search_ends_low_and_flat(name, first):
    f, slope = FUNCTIONS[name]
    search, step, tries = Search(f(0.0), slope(0.0), first), first, 0
    while not search.done and tries < 50:
        step, tries = search.next(f(step), slope(step)), tries + 1
    assert search.done
    assert f(step) <= f(0.0) + DECREASE * step * slope(0.0)
    assert abs(slope(step)) <= CURVATURE * abs(slope(0.0))


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_steps_are_scipys(tol):
    x, y = CANCER
    x = np.concatenate([3.0 * x, np.ones((len(x), 1))], axis=1)
    weights, penalty = RNG.dirichlet(np.ones(len(y)), size=3), np.full((3, x.shape[1]), 1e-2)
    turned = linear.SharedRows(x, x.T * (1.0 - 2.0 * y))
    made, taken = quasi_newton.descend(turned, y[None].astype(float), weights, penalty, tol=tol, max_iter=500)
    for model in range(3):

        def value(w, model=model):
            loss, residual = quasi_newton.loss_and_residual((w @ turned.turned)[None, None], None, weights[[model]])
            return loss[0] + 0.5 * penalty[model] @ w**2, turned.turned @ residual[0, 0] + penalty[model] * w

        options = {"gtol": tol, "ftol": 64 * np.finfo(float).eps, "maxls": 50, "maxiter": 500}
        plain = minimize(value, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options=options)
        assert taken[model] == plain.nit
        assert np.allclose(made[model, 0], plain.x, rtol=0, atol=1e-6)
