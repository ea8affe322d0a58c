"""Random forests and extra trees: scikit-learn's own trees from the same random numbers, grown without overhead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from seepage.training.fast.protocol import Stack
from seepage.training.fast.trees import SEEDS_BELOW, Grower, TreeRule, float32_rows, rule_of
from seepage.work import derive_seed

__all__ = ["ForestTrainer", "drawn", "models_at_once", "trainer_for"]

_ROWS_AT_ONCE = 40_000
Weigh = Callable[..., NDArray[np.float64]]


def trainer_for(estimator: Any, prefix: str) -> ForestTrainer | str:
    """Return the trainer of a random forest or extra trees, or why there is none."""
    # a forest of extra trees draws its thresholds, a random forest seeks them
    rule = rule_of(estimator, "random" if type(estimator).__name__.startswith("ExtraTrees") else "best")
    if isinstance(rule, str):
        return rule
    weight = getattr(estimator, "class_weight", None)
    if weight is not None and weight not in ("balanced", "balanced_subsample"):
        return "weights given for each class are applied one model after the other"
    if callable(estimator.oob_score):
        return "a score of its own for rows out of the bag is called one model after the other"
    if not estimator.bootstrap and (estimator.oob_score or estimator.max_samples is not None):
        return "oob_score and max_samples need bootstrap=True"
    return ForestTrainer(
        rule, int(estimator.n_estimators), bool(estimator.bootstrap), estimator.max_samples, weight, prefix
    )


def models_at_once(n: int) -> int:
    """Return how many models of n rows make a stack: few, since each is trained on its own and stacks run side by side.

    Examples
    --------
    >>> models_at_once(569), models_at_once(20_000), models_at_once(10**6)
    (8, 2, 1)
    """
    return max(1, min(8, _ROWS_AT_ONCE // n))


def drawn(max_samples: int | float | None, n: int, weights: NDArray[np.float64] | None) -> int:
    """Return how many rows are drawn for a tree: `max_samples` is a number, or a share of the rows or their weight.

    Examples
    --------
    >>> drawn(None, 30, None), drawn(0.5, 30, None), drawn(7, 30, None), drawn(0.5, 30, np.full(30, 2.0))
    (30, 15, 7, 30)
    """
    if max_samples is None:
        return n
    if isinstance(max_samples, (int, np.integer)):
        return int(max_samples)
    return max(int(max_samples * (n if weights is None else weights.sum())), 1)


@final
@dataclass(frozen=True)
class ForestTrainer:
    """Grow each forest's trees from the seeds and draws that scikit-learn would take, and average their answers.

    The forests are scikit-learn's bit for bit, so a score of rows out of the bag (`oob_score`), which changes no
    tree, is left out, and `warm_start` has nothing to start from.

    Parameters
    ----------
    rule : how a tree grows.
    n_trees : in a forest.
    bootstrap, max_samples : whether rows are drawn with replacement, and how many (None: as many as there are).
    class_weight : None, "balanced" or "balanced_subsample".
    prefix : of the estimator's parameters in its pipeline.
    """

    rule: TreeRule
    n_trees: int
    bootstrap: bool
    max_samples: int | float | None
    class_weight: str | None
    prefix: str

    name: ClassVar[str] = "forest"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "trees grown directly (forest)"
    tolerance: ClassVar[float | None] = 1e-9
    seeded: ClassVar[bool] = True

    @property
    def floor(self) -> float:
        """Half a vote."""
        return max(1e-7, 0.5 / self.n_trees)

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """See `models_at_once`."""
        return models_at_once(n)

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (1, N, C) shares of votes, or (1, N) predictions."""
        from sklearn.utils.class_weight import compute_sample_weight

        n = stack.members.shape[1]
        shared = None if stack.own_rows else float32_rows(stack.x)
        for model, inside in enumerate(stack.members):
            x = float32_rows(stack.rows_of(model)) if shared is None else shared
            y = stack.y[inside]
            grower = Grower(self.rule, x[:n][inside], y, stack.n_classes)
            votes = np.zeros((len(x), max(stack.n_classes, 1)))
            for seed, weights in self._draws(stack.seeds[model], y, compute_sample_weight):
                votes += grower.grow(seed, weights).predict(x)
            votes /= self.n_trees
            yield (votes if stack.n_classes else votes[:, 0])[None]

    def _draws(self, seed: int, y: NDArray[Any], weigh: Weigh) -> Iterator[tuple[int, NDArray[np.float64] | None]]:
        """Yield each tree's seed and the weights of its rows, as scikit-learn draws them."""
        random = np.random.RandomState(derive_seed(seed, f"{self.prefix}random_state"))
        seeds = random.randint(SEEDS_BELOW, size=self.n_trees)
        n, weights = len(y), None
        if self.class_weight == "balanced" or (self.class_weight is not None and not self.bootstrap):
            weights = weigh("balanced", y)
        if not self.bootstrap:
            yield from ((int(tree), weights) for tree in seeds)
            return
        count = drawn(self.max_samples, n, weights)
        chances = None if weights is None else weights / weights.sum()
        for tree in seeds:
            random.seed(int(tree))
            rows = random.randint(0, n, count) if chances is None else random.choice(n, count, replace=True, p=chances)
            counts = np.bincount(rows, minlength=n).astype(np.float64)
            if self.class_weight == "balanced_subsample":
                counts *= weigh("balanced", y, indices=rows)
            yield int(tree), counts
