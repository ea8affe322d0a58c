"""Bagged decision trees: scikit-learn's own trees from the same random numbers, grown without overhead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.training.fast.forest import drawn, models_at_once
from seepage.training.fast.protocol import Stack
from seepage.training.fast.trees import SEEDS_BELOW, Grower, TreeRule, float32_rows, rule_of
from seepage.work import derive_seed

__all__ = ["BaggingTrainer", "trainer_for"]


def trainer_for(estimator: Any, prefix: str) -> BaggingTrainer | str:
    """Return the trainer of bagged decision trees, or why there is none."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if type(estimator).__name__ == "BaggingClassifier" else DecisionTreeRegressor
    tree = kind() if estimator.estimator is None else estimator.estimator
    if type(tree) is not kind:
        return f"bags of {type(tree).__name__} are trained one model after the other"
    rule = rule_of(tree, tree.splitter)
    if isinstance(rule, str):
        return rule
    weight = getattr(tree, "class_weight", None)
    if weight not in (None, "balanced"):
        return "weights given for each class are applied one model after the other"
    if estimator.oob_score and (not estimator.bootstrap or estimator.warm_start):
        return "oob_score needs bootstrap=True and warm_start=False"
    return BaggingTrainer(
        rule,
        int(estimator.n_estimators),
        estimator.max_samples,
        estimator.max_features,
        bool(estimator.bootstrap),
        bool(estimator.bootstrap_features),
        weight,
        prefix,
    )


@final
@dataclass(frozen=True)
class BaggingTrainer:
    """Grow each bag's trees from the seeds and draws that scikit-learn would take, and average their answers.

    The bags are scikit-learn's bit for bit; a score of rows out of the bag changes no tree and is left out.

    Parameters
    ----------
    rule : how a tree grows.
    n_trees : in a bag.
    max_samples, max_features : rows and columns drawn for a tree, as a number or a share.
    bootstrap, bootstrap_features : whether they are drawn with replacement.
    class_weight : None or "balanced", of the tree.
    prefix : of the estimator's parameters in its pipeline.
    """

    rule: TreeRule
    n_trees: int
    max_samples: int | float | None
    max_features: int | float
    bootstrap: bool
    bootstrap_features: bool
    class_weight: str | None
    prefix: str

    name: ClassVar[str] = "bagging"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "trees grown directly (bagging)"
    tolerance: ClassVar[float | None] = 1e-9
    seeded: ClassVar[bool] = True

    @property
    def floor(self) -> float:
        """Half a vote."""
        return max(1e-7, 0.5 / self.n_trees)

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """See `seepage.training.fast.forest.models_at_once`."""
        return models_at_once(n)

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (1, N, C) averaged probabilities, or (1, N) predictions.

        Raises
        ------
        RecipeError
            When more rows or columns are asked for than there are.
        """
        from sklearn.utils.class_weight import compute_sample_weight
        from sklearn.utils.random import sample_without_replacement

        def pick(random: np.random.RandomState, replace: bool, among: int, count: int) -> NDArray[np.intp]:
            if replace:
                return random.randint(0, among, count)
            rows: NDArray[np.intp] = sample_without_replacement(among, count, random_state=random)
            return rows

        n = stack.members.shape[1]
        shared = None if stack.own_rows else float32_rows(stack.x)
        for model, inside in enumerate(stack.members):
            x = float32_rows(stack.rows_of(model)) if shared is None else shared
            rows, y = x[:n][inside], stack.y[inside]
            count, columns = self._sizes(len(rows), x.shape[1])
            some_columns = self.bootstrap_features or columns != x.shape[1]
            grower = None if some_columns else Grower(self.rule, rows, y, stack.n_classes)
            balance = 1.0 if self.class_weight is None else compute_sample_weight(self.class_weight, y)
            votes = np.zeros((len(x), max(stack.n_classes, 1)))
            for seed in self._seeds(stack.seeds[model]):
                random = np.random.RandomState(seed)
                taken = pick(random, self.bootstrap_features, x.shape[1], columns)
                weights = np.bincount(pick(random, self.bootstrap, len(rows), count), minlength=len(rows)) * balance
                random.seed(seed)
                tree_seed = int(random.randint(SEEDS_BELOW))
                if grower is None:
                    tree = Grower(self.rule, rows[:, taken], y, stack.n_classes).grow(tree_seed, weights)
                    votes += tree.predict(x[:, taken])
                else:
                    votes += grower.grow(tree_seed, weights).predict(x)
            votes /= self.n_trees
            yield (votes if stack.n_classes else votes[:, 0])[None]

    def _seeds(self, seed: int) -> list[int]:
        random = np.random.RandomState(derive_seed(seed, f"{self.prefix}random_state"))
        seeds: list[int] = random.randint(SEEDS_BELOW, size=self.n_trees).tolist()
        return seeds

    def _sizes(self, n: int, width: int) -> tuple[int, int]:
        """Return how many rows and columns are drawn for a tree."""
        count = drawn(self.max_samples, n, None)
        whole = isinstance(self.max_features, (int, np.integer))
        columns = int(self.max_features) if whole else max(1, int(self.max_features * width))
        if columns > width or (count > n and not self.bootstrap):
            raise RecipeError("more rows or columns are to be drawn for a tree than there are")
        return count, columns
