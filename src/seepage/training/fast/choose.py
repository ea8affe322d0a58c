"""Choose the trainer for a recipe, without importing one that does not fit; the reason is said when none does."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seepage.spec import Task
from seepage.training.fast.protocol import FastTrainer
from seepage.training.recipes import EstimatorRecipe
from seepage.training.table import Recipe

__all__ = ["Choice", "choose", "unwrapped"]

_ESTIMATORS = {
    "MLPClassifier": "perceptron",
    "MLPRegressor": "perceptron",
    "KNeighborsClassifier": "neighbours",
    "KNeighborsRegressor": "neighbours",
    "LinearRegression": "ridge",
    "LogisticRegression": "newton",
    "Ridge": "ridge",
    "LinearDiscriminantAnalysis": "discriminant",
    "QuadraticDiscriminantAnalysis": "discriminant",
    "BernoulliNB": "bayes",
    "CategoricalNB": "bayes",
    "ComplementNB": "bayes",
    "GaussianNB": "bayes",
    "MultinomialNB": "bayes",
    "BaggingClassifier": "bagging",
    "BaggingRegressor": "bagging",
    "ExtraTreesClassifier": "forest",
    "ExtraTreesRegressor": "forest",
    "RandomForestClassifier": "forest",
    "RandomForestRegressor": "forest",
    "GradientBoostingClassifier": "boosting",
    "GradientBoostingRegressor": "boosting",
}
"""scikit-learn's class → module in this package with `trainer_for(estimator, prefix)`; subclasses are not taken."""


@dataclass(frozen=True)
class Choice:
    """The trainer of a recipe, or None with the reason; `pipeline` is set where steps come before its estimator."""

    recipe: Recipe
    trainer: FastTrainer | None
    reason: str = ""
    pipeline: Any = None

    @property
    def name(self) -> str:
        """What plan and report call it."""
        return "one by one" if self.trainer is None else self.trainer.title


def choose(recipe: Recipe, task: Task, readers: Iterable[str] = ()) -> Choice:
    """Return the fast trainer that makes the same models as `recipe`, or the reason why they are made one by one.

    Signals that are read off the model itself need each model on its own: "gradient-norm" among `readers` rules out
    every fast trainer.

    Examples
    --------
    >>> from sklearn.ensemble import AdaBoostClassifier
    >>> choose(EstimatorRecipe(AdaBoostClassifier()), Task.CLASSIFICATION).reason
    'no fast trainer for AdaBoostClassifier'
    """
    if "gradient-norm" in readers:
        return Choice(recipe, None, "gradient norms are read off each model itself (membership/gradient-norm)")
    inner = recipe.recipe if getattr(recipe, "kind", "") == "surrogate" else recipe  # type: ignore[attr-defined]
    if getattr(inner, "kind", "") == "torch":
        made = importlib.import_module("seepage.training.fast.torch_stack").trainer_for(inner)
        return Choice(recipe, None, made) if isinstance(made, str) else Choice(recipe, made)
    if not isinstance(inner, EstimatorRecipe):
        return Choice(
            recipe, None, f"the recipe is a {getattr(inner, 'kind', type(inner).__name__)}, which only it can run"
        )
    if inner.fit_params:
        return Choice(recipe, None, "the recipe passes parameters to fit")
    estimator, prefix, steps = unwrapped(inner.estimator)
    made_by = type(estimator)
    module = _ESTIMATORS.get(made_by.__name__)
    if module is None or made_by.__module__.split(".")[0] != "sklearn":
        return Choice(recipe, None, f"no fast trainer for {made_by.__name__}")
    made = importlib.import_module(f"seepage.training.fast.{module}").trainer_for(estimator, prefix)
    if isinstance(made, str):
        return Choice(recipe, None, made)
    return Choice(recipe, made, pipeline=inner.estimator if steps else None)


def unwrapped(estimator: Any) -> tuple[Any, str, list[Any]]:
    """Return a pipeline's last estimator, the prefix of that one's parameters, and the steps before it."""
    prefix, before = "", []
    while type(estimator).__name__ == "Pipeline" and type(estimator).__module__.startswith("sklearn."):
        *first, (name, last) = estimator.steps
        before += [step for _, step in first if step is not None and not isinstance(step, str)]
        prefix, estimator = f"{prefix}{name}__", last
    return estimator, prefix, before
