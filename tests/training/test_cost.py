"""The cost of shadow models: measured on a few of them, it holds for all."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from seepage.errors import RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.training import EstimatorRecipe, FunctionRecipe, draw_pool
from seepage.training.cost import TrainingCost, cost_key, measure_training

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
RECORDS = Records(X, Y)


def measured(recipe: Any, **more: Any) -> TrainingCost:
    inclusion = draw_pool(RECORDS.ids, 8, seed=0)
    return measure_training(
        recipe, RECORDS, inclusion, ("margin",), task=Task.CLASSIFICATION, seed=0, classes=np.unique(Y), **more
    )


def slow(x: Any, y: Any, seed: int) -> Any:
    time.sleep(0.05)
    return GaussianNB().fit(x, y)


def test_a_model_costs_at_least_what_its_fit_takes() -> None:
    cost = measured(FunctionRecipe(slow))
    assert 0.05 <= cost.each < 2
    assert cost.at_once == 1 and not cost.proves and cost.worker == 0
    assert cost.seconds(16) >= 16 * 0.05
    assert cost.spent >= 0.05 and cost.memory_mb >= 0


def test_a_recipe_that_fails_is_named() -> None:
    with pytest.raises(RecipeError, match="ZeroDivisionError"):
        measured(FunctionRecipe(lambda x, y, seed: 1 / 0))


def test_stacks_cost_less_a_model_than_one_by_one() -> None:
    cost = measured(EstimatorRecipe(GaussianNB()))
    assert cost.at_once >= 8 and cost.proves and cost.note is None


def test_a_trainer_that_is_refused_is_said_and_its_models_are_costed_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from seepage.training.fast import bayes

    true = bayes.GaussianTrainer.scores

    def wrong(self: Any, stack: Any) -> Any:
        for block in true(self, stack):
            yield np.full_like(block, 0.5)

    monkeypatch.setattr(bayes.GaussianTrainer, "scores", wrong)
    cost = measured(EstimatorRecipe(GaussianNB()))
    assert cost.note is not None and "one by one" in cost.note
    assert cost.at_once == 1 and not cost.proves


def test_worker_processes_are_started_once_to_see() -> None:
    cost = measured(FunctionRecipe(slow), engine="local", jobs=2)
    assert cost.worker > 0 and cost.worker_mb > 20
    assert cost.memory(8, jobs=2) >= 2 * cost.worker_mb


@pytest.mark.parametrize(("models", "jobs", "seconds"), [(4, 1, 9.0), (4, 2, 9.0), (8, 1, 14.0), (12, 2, 16.1546)])
def test_stacks_are_spread_over_processes_after_the_first(models: int, jobs: int, seconds: float) -> None:
    cost = TrainingCost(first=4.0, stack=1.0, each=1.0, at_once=4, proves=True, worker=2.0)
    assert cost.seconds(models, jobs) == pytest.approx(seconds, abs=1e-3)


def test_models_one_by_one_are_spread_over_processes() -> None:
    cost = TrainingCost(first=0.0, stack=0.0, each=1.0, worker=2.0)
    assert cost.seconds(8, 1) == 8
    assert 6 <= cost.seconds(8, 2) < 6.5
    assert cost.seconds(0, 2) == 0


def test_the_key_depends_on_all_that_matters() -> None:
    recipe = EstimatorRecipe(GaussianNB())
    key = cost_key(recipe, RECORDS, ("margin",), engine=None, jobs=1)
    assert key == cost_key(EstimatorRecipe(GaussianNB()), RECORDS, ("margin",), engine=None, jobs=1)
    others = {
        cost_key(EstimatorRecipe(GaussianNB(var_smoothing=0.1)), RECORDS, ("margin",), engine=None, jobs=1),
        cost_key(recipe, Records(X + 1, Y), ("margin",), engine=None, jobs=1),
        cost_key(recipe, RECORDS, ("entropy",), engine=None, jobs=1),
        cost_key(recipe, RECORDS, ("margin",), engine="local", jobs=2),
    }
    assert len(others) == 4 and key not in others
    assert TrainingCost.from_dict(TrainingCost(1.0, 2.0, 3.0).to_dict()) == TrainingCost(1.0, 2.0, 3.0)


def test_fewer_models_than_a_trial_would_like_still_give_their_cost() -> None:
    inclusion = draw_pool(RECORDS.ids, 2, seed=0)
    recipe, classes = EstimatorRecipe(GaussianNB()), np.unique(Y)
    cost = measure_training(recipe, RECORDS, inclusion, ("margin",), task=Task.CLASSIFICATION, seed=0, classes=classes)
    assert cost.each > 0 and cost.seconds(2) < 10
