"""Nearest neighbours found once for all models are each model's own, but for ties of distance, which are counted."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast import neighbours
from seepage.training.fast.choose import choose
from seepage.training.fast.neighbours import NeighboursTrainer

RNG = np.random.default_rng(5)
CANCER = tuple(part[:301] for part in load_breast_cancer(return_X_y=True))
WINE = load_wine(return_X_y=True)
DIABETES = tuple(part[:303] for part in load_diabetes(return_X_y=True))
CLOUD = RNG.normal(size=(257, 4))
SIDES = (CLOUD[:, 0] + RNG.normal(size=257) > 0).astype(int)


def both(model, data, n_shadows=6, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = train_shadows(model, data, n_shadows, **options)
        plain = train_shadows(model, data, n_shadows, trainer="one-by-one", **options)
    assert fast.trainer == "neighbours", fast.notes
    return fast, plain


def tied(x, members, k, **search):
    """Return (models, n) whether the k-th and the next nearest member are equally far, so that either may vote."""
    from sklearn.metrics import pairwise_distances

    far = pairwise_distances(np.asarray(x, dtype=float), **search)
    out = np.zeros(members.shape, dtype=bool)
    for model, inside in enumerate(members):
        near = np.sort(far[:, inside], axis=1)
        # the two searches round differently, so that nearly equal counts as equal
        out[model] = np.isclose(near[:, k - 1], near[:, k], rtol=1e-9, atol=1e-6) if inside.sum() > k else False
    return out


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("data", [(CLOUD, SIDES), CANCER, WINE], ids=["cloud", "cancer", "wine"])
def test_probabilities_are_the_plain_ones_of_every_record_and_model(data, weights, k):
    fast, plain = both(KNeighborsClassifier(k, weights=weights), data)
    excused = tied(data[0], fast.inclusion.included, k)
    assert excused.mean() < 0.1
    gap = np.abs(expit(fast.arrays["margin"].astype(float)) - expit(plain.arrays["margin"].astype(float)))
    # votes are counted, not rounded; weights by distance carry the rounding of the distances
    assert gap[~excused].max() <= (1e-6 if weights == "uniform" else 1e-4)


SEARCHES = [
    {"metric": "manhattan"},
    {"metric": "chebyshev"},
    {"metric": "cosine"},
    {"metric": "minkowski", "p": 3},
    {"metric": "minkowski", "p": 2, "metric_params": {"w": np.array([1.0, 2.0, 0.5, 3.0])}},
    {"algorithm": "ball_tree", "leaf_size": 7},
    {"algorithm": "kd_tree", "leaf_size": 50},
    {"algorithm": "brute"},
]


@pytest.mark.parametrize("search", SEARCHES, ids=[str(sorted(s.items())[0]) + str(len(s)) for s in SEARCHES])
def test_search_is_the_estimators_own(search):
    # normal numbers have no ties
    fast, plain = both(KNeighborsClassifier(7, **search), (CLOUD, SIDES))
    assert np.allclose(fast.arrays["margin"], plain.arrays["margin"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("weights", ["uniform", "distance", None])
def test_regression(weights):
    fast, plain = both(KNeighborsRegressor(4, weights=weights), DIABETES)
    excused = tied(DIABETES[0], fast.inclusion.included, 4)
    assert excused.mean() < 0.05
    gap = np.abs(fast.arrays["residual"] - plain.arrays["residual"])
    assert gap[~excused].max() <= 1e-4 * np.std(DIABETES[1])


def test_whole_number_outcomes_are_averaged_as_numbers():
    fast, plain = both(KNeighborsRegressor(4), (CLOUD, np.arange(257) % 9), task="regression")
    assert np.allclose(fast.arrays["residual"], plain.arrays["residual"], rtol=0, atol=1e-5)
    assert (np.mod(fast.arrays["residual"], 1) != 0).any()


def test_rows_at_distance_zero_take_the_whole_vote():
    x = np.repeat(np.arange(40.0)[:, None], 3, axis=0)
    y = np.arange(120) % 2
    fast, plain = both(KNeighborsClassifier(5, weights="distance", algorithm="kd_tree"), (x, y))
    excused = tied(x, fast.inclusion.included, 5)
    zero_only = np.abs(fast.arrays["margin"]) >= 15  # both sides of the margin at their floor
    assert zero_only.any()
    assert 0 < excused.mean() < 0.9
    assert np.allclose(fast.arrays["margin"][~excused], plain.arrays["margin"][~excused], rtol=0, atol=1e-4)


def test_rows_with_too_few_members_nearby_are_looked_up_again():
    # one far cluster holds all records of a block that half of the models lack
    x = np.concatenate([RNG.normal(size=(150, 2)), 50 + 0.01 * RNG.normal(size=(150, 2))])
    y = (np.arange(300) % 3 == 0).astype(int)
    members = np.zeros((4, 300), dtype=bool)
    members[0::2, :150] = True
    members[1::2, 150:] = True
    members[:, ::10] = True
    trainer = choose(EstimatorRecipe(KNeighborsClassifier(20)), Task.CLASSIFICATION).trainer
    answers = np.concatenate(list(trainer.scores(neighbours.Stack(x, y, members, (1, 2, 3, 4), 2))))
    for model, inside in enumerate(members):
        plain = KNeighborsClassifier(20).fit(x[inside], y[inside]).predict_proba(x)
        assert np.allclose(answers[model], plain)


def test_answers_do_not_depend_on_the_other_models_or_the_size_of_a_block(monkeypatch):
    members = RNG.random((9, 257)) < 0.5
    trainer = choose(EstimatorRecipe(KNeighborsClassifier(5)), Task.CLASSIFICATION).trainer
    stack = neighbours.Stack(CLOUD, SIDES, members, tuple(range(9)), 2)
    whole = np.concatenate(list(trainer.scores(stack)))
    alone = np.concatenate(list(trainer.scores(stack.part(slice(4, 5)))))
    assert np.array_equal(whole[4:5], alone)
    monkeypatch.setattr(neighbours, "_BLOCK_MIB", 0.01)
    blocks = list(trainer.scores(stack))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), whole)


def test_population_is_read_and_never_votes():
    records = Records(CLOUD[:200], SIDES[:200])
    inclusion = draw_inclusion(records.ids, np.arange(200) < 160, 5, seed=3)
    options = {
        "task": Task.CLASSIFICATION,
        "seed": 1,
        "population": Records(CLOUD[200:], SIDES[200:]),
        "classes": np.array([0, 1]),
    }
    recipe = EstimatorRecipe(KNeighborsClassifier(3))
    fast = run_shadows(recipe, records, inclusion, ("margin",), **options)
    plain = run_shadows(recipe, records, inclusion, ("margin",), trainer="one-by-one", **options)
    assert fast.trainer == "neighbours", fast.notes
    assert inclusion.included.all(axis=0).any(), "nobody is in every model: the test asks nothing"
    for one, other in ((fast.arrays, plain.arrays), (fast.population, plain.population)):
        assert np.allclose(one["margin"], other["margin"], rtol=0, atol=1e-5)


def test_string_labels_a_rare_class_and_float32():
    labels = np.where(SIDES == 1, "yes", "no").astype(object)
    labels[:3] = "rare"
    fast, plain = both(KNeighborsClassifier(3), (CLOUD.astype(np.float32), labels.astype(str)), 8)
    lacking = ~fast.inclusion.included[:, :3].any(axis=1)
    assert lacking.any(), "no model lacks the class: the test asks nothing"
    assert np.allclose(fast.arrays["margin"], plain.arrays["margin"], rtol=0, atol=1e-5)


def test_preprocessing_without_memory_is_shared():
    model = make_pipeline(FunctionTransformer(np.tanh), KNeighborsClassifier(5))
    fast, plain = both(model, (CLOUD, SIDES))
    assert np.allclose(fast.arrays["margin"], plain.arrays["margin"], rtol=0, atol=1e-5)


def test_frames_of_numbers():
    fast, plain = both(KNeighborsClassifier(5), (pd.DataFrame(CLOUD, columns=list("abcd")), SIDES))
    assert np.allclose(fast.arrays["margin"], plain.arrays["margin"], rtol=0, atol=1e-5)


def test_scaling_of_each_models_own_is_left_to_the_plain_way():
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5))
    signals = train_shadows(model, (CLOUD, SIDES), 4)
    assert signals.trainer == "one-by-one"
    assert "scales the rows its own way" in " ".join(signals.notes)


REFUSED = [
    (KNeighborsClassifier(metric=lambda a, b: abs(a - b).sum()), "of its own"),
    (KNeighborsClassifier(metric="mahalanobis"), "mahalanobis"),
    (KNeighborsClassifier(metric="seuclidean"), "seuclidean"),
    (KNeighborsClassifier(metric="precomputed"), "precomputed"),
    (KNeighborsClassifier(metric_params={"V": np.ones(4)}), "metric_params"),
    (KNeighborsClassifier(weights=lambda far: 1 / (1 + far)), "weights"),
    (KNeighborsRegressor(n_neighbors=0), "less than 1"),
    (KNeighborsRegressor(n_neighbors=2.5), "whole number"),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_is_not_reproduced_is_refused_with_a_reason(model, reason):
    task = Task.REGRESSION if isinstance(model, KNeighborsRegressor) else Task.CLASSIFICATION
    choice = choose(EstimatorRecipe(model), task)
    assert choice.trainer is None
    assert reason in choice.reason


def test_more_neighbours_than_members_fails_as_the_plain_way_does():
    from seepage.errors import RecipeError

    with pytest.raises(RecipeError, match="n_neighbors"):
        train_shadows(KNeighborsClassifier(200), (CLOUD, SIDES), 4)


def test_a_trainer_that_counts_wrongly_is_not_believed(monkeypatch):
    honest = NeighboursTrainer._vote

    def wrong(self, part, inside, y, n_classes):
        return honest(NeighboursTrainer(self.k + 1, self.by_distance, self.search), part, inside, y, n_classes)

    monkeypatch.setattr(NeighboursTrainer, "_enough", lambda self, share: 120)
    monkeypatch.setattr(NeighboursTrainer, "_vote", wrong)
    signals = train_shadows(KNeighborsClassifier(4), (CLOUD, SIDES), 4)
    assert signals.trainer == "one-by-one"
    assert "not the one a plain fit makes" in " ".join(signals.notes)
