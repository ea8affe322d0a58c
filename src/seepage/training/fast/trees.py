"""Grow scikit-learn's own decision trees on rows that were checked once, without the estimator around each tree.

An estimator validates parameters, rows and outcomes for every tree, and makes two generators where one can be seeded
again; on a few hundred rows that is three quarters of a forest's time. The builder below it is the same, so the trees
are the same, bit for bit. It is not part of scikit-learn's public face: where it has changed, `builder_missing` says
so and nothing here is used; where it answers differently, the proof against a plain fit fails.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from math import ceil
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError

__all__ = ["SEEDS_BELOW", "Grower", "TreeRule", "builder_missing", "float32_rows", "rule_of"]

SEEDS_BELOW = int(np.iinfo(np.int32).max)
"""scikit-learn draws the seed of each tree below this number."""

_CRITERIA = {
    "gini": "Gini",
    "entropy": "Entropy",
    "log_loss": "Entropy",
    "squared_error": "MSE",
    "absolute_error": "MAE",
    "poisson": "Poisson",
}
_SPLITTERS = {"best": "BestSplitter", "random": "RandomSplitter"}


def _module(name: str) -> Any:
    return importlib.import_module(f"sklearn.tree.{name}")


def builder_missing() -> str:
    """Return why trees cannot be grown directly with the scikit-learn installed, or an empty text.

    Examples
    --------
    >>> builder_missing()
    ''
    """
    wanted = {
        "_tree": ("Tree", "DepthFirstTreeBuilder", "BestFirstTreeBuilder", "_build_pruned_tree_ccp"),
        "_splitter": tuple(_SPLITTERS.values()),
        "_criterion": tuple(sorted(set(_CRITERIA.values()))),
    }
    for module, names in wanted.items():
        try:
            found = _module(module)
        except ImportError:
            found = None
        if any(getattr(found, name, None) is None for name in names):
            return "this version of scikit-learn builds its trees in another way"
    return ""


@final
@dataclass(frozen=True)
class TreeRule:
    """The parameters of `DecisionTreeClassifier` or `DecisionTreeRegressor`, meaning what they mean there."""

    criterion: str
    splitter: str
    max_depth: int | None
    min_samples_split: int | float
    min_samples_leaf: int | float
    min_weight_fraction_leaf: float
    max_features: str | int | float | None
    max_leaf_nodes: int | None
    min_impurity_decrease: float
    ccp_alpha: float
    monotonic_cst: tuple[int, ...] | None

    def features_tried(self, width: int) -> int:
        """Return how many of `width` features are tried at each split."""
        if self.max_features is None:
            return width
        if self.max_features == "sqrt":
            return max(1, int(np.sqrt(width)))
        if self.max_features == "log2":
            return max(1, int(np.log2(width)))
        if isinstance(self.max_features, (int, np.integer)):
            return int(self.max_features)
        return max(1, int(float(self.max_features) * width))


def rule_of(estimator: Any, splitter: str) -> TreeRule | str:
    """Return the rule in an estimator's parameters, which forests and boosting share with trees, or why there is none.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> rule_of(DecisionTreeClassifier(max_features="sqrt"), "best").features_tried(30)
    5
    """
    missing = builder_missing()
    if missing:
        return missing
    if not isinstance(estimator.criterion, str) or estimator.criterion not in _CRITERIA:
        return f"splits by {estimator.criterion!r} are found one model after the other"
    if not isinstance(splitter, str) or splitter not in _SPLITTERS:
        return f"the splitter {splitter!r} is used one model after the other"
    if isinstance(estimator.max_features, str) and estimator.max_features not in ("sqrt", "log2"):
        return f"max_features={estimator.max_features!r} is not known"
    monotonic = getattr(estimator, "monotonic_cst", None)
    return TreeRule(
        estimator.criterion,
        splitter,
        estimator.max_depth,
        estimator.min_samples_split,
        estimator.min_samples_leaf,
        float(estimator.min_weight_fraction_leaf),
        estimator.max_features,
        estimator.max_leaf_nodes,
        float(estimator.min_impurity_decrease),
        float(estimator.ccp_alpha),
        None if monotonic is None else tuple(np.asarray(monotonic).tolist()),
    )


def float32_rows(x: Any) -> NDArray[np.float32]:
    """Return the rows as trees read them.

    Raises
    ------
    RecipeError
        When a number is too large for 32 bits.
    """
    rows = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(rows).all():
        raise RecipeError("a feature is too large for 32 bits, in which trees read them")
    return rows


@final
class Grower:
    """Grows any number of trees on the same rows.

    Parameters
    ----------
    rule : how trees grow.
    x : (n, d) float32 rows, without missing values.
    y : (n,) class numbers 0 … n_classes − 1, or outcomes.
    n_classes : 0 for regression.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> x, y = np.arange(8, dtype=np.float32)[:, None], np.arange(8) // 4
    >>> grower = Grower(rule_of(DecisionTreeClassifier(), "best"), x, y, 2)
    >>> grower.grow(seed=0).predict(x)[:, 1].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, rule: TreeRule, x: NDArray[np.float32], y: NDArray[Any], n_classes: int) -> None:
        self._rule = rule
        # a split is sought feature by feature, so columns lie together
        self._x = np.asfortranarray(x)
        self._y = np.ascontiguousarray(y, dtype=np.float64).reshape(-1, 1)
        self._n, self._width = x.shape
        if rule.criterion == "poisson" and (self._y.min() < 0 or self._y.sum() <= 0):
            raise RecipeError("a Poisson criterion needs outcomes of at least 0, not all of them 0")
        self._classes = np.array([max(n_classes, 1)], dtype=np.intp)
        self._is_classifier = n_classes > 0
        self._random = np.random.RandomState(0)
        self._tried = rule.features_tried(self._width)
        self._monotonic = self._constraints(n_classes)
        leaf, split = rule.min_samples_leaf, rule.min_samples_split
        self._min_leaf = int(leaf) if isinstance(leaf, (int, np.integer)) else ceil(leaf * self._n)
        at_least = int(split) if isinstance(split, (int, np.integer)) else max(2, ceil(split * self._n))
        self._min_split = max(at_least, 2 * self._min_leaf)
        # loaded once: an import statement for each tree would cost as much as drawing its rows
        self._trees = _module("_tree")
        self._splitter = getattr(_module("_splitter"), _SPLITTERS[rule.splitter])
        self._criterion = getattr(_module("_criterion"), _CRITERIA[rule.criterion])

    def grow(self, seed: int | np.random.RandomState, weights: NDArray[np.float64] | None = None, y: Any = None) -> Any:
        """Grow one tree.

        Parameters
        ----------
        seed : of the features tried, or the generator from which that seed is drawn.
        weights : (n,) of the rows; those of weight 0 are left out.
        y : (n, 1) float64 outcomes that take the place of those given at first.

        Returns
        -------
        A fitted tree with scikit-learn's low-level methods `predict` and `apply` on float32 rows.
        """
        rule, trees = self._rule, self._trees
        if isinstance(seed, np.random.RandomState):
            random = seed
        else:
            random = self._random
            random.seed(seed)
        total = self._n if weights is None else weights.sum()
        lightest = rule.min_weight_fraction_leaf * total
        criterion = self._criterion(1, self._classes if self._is_classifier else self._n)
        splitter = self._splitter(criterion, self._tried, self._min_leaf, lightest, random, self._monotonic)
        depth = SEEDS_BELOW if rule.max_depth is None else rule.max_depth
        if rule.max_leaf_nodes is None:
            builder = trees.DepthFirstTreeBuilder(
                splitter, self._min_split, self._min_leaf, lightest, depth, rule.min_impurity_decrease
            )
        else:
            builder = trees.BestFirstTreeBuilder(
                splitter,
                self._min_split,
                self._min_leaf,
                lightest,
                depth,
                rule.max_leaf_nodes,
                rule.min_impurity_decrease,
            )
        tree = trees.Tree(self._width, self._classes, 1)
        builder.build(tree, self._x, self._y if y is None else y, weights)
        if rule.ccp_alpha == 0.0:
            return tree
        pruned = trees.Tree(self._width, self._classes, 1)
        trees._build_pruned_tree_ccp(pruned, tree, rule.ccp_alpha)
        return pruned

    def _constraints(self, n_classes: int) -> NDArray[np.int8] | None:
        given = self._rule.monotonic_cst
        if given is None:
            return None
        if len(given) != self._width or not np.isin(given, (-1, 0, 1)).all() or n_classes > 2:
            raise RecipeError("the monotonic constraints do not fit the features or the number of classes")
        # scikit-learn states them for the second class and applies them to the first
        return np.asarray(given, dtype=np.int8) * np.int8(-1 if n_classes else 1)
