"""scikit-learn's multi-layer perceptrons, many at once: each with its own random numbers, all steps shared.

A network gets the first weights, the order of records and the stopping rule of scikit-learn 1.9 (`MLPClassifier`,
`MLPRegressor`) with the same random state, so it is the plain fit's network up to rounding. Rounding differences grow
while a network learns, from 1e-12 after a few epochs; the tolerance allows for hundreds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.training.fast.perceptron_batches import learner_of, steps_of
from seepage.training.fast.perceptron_layers import ACTIVATIONS, Net
from seepage.training.fast.perceptron_run import Course, Table, answers, train
from seepage.training.fast.perceptron_steps import Rule
from seepage.training.fast.protocol import Stack
from seepage.work import derive_seed

__all__ = ["PerceptronTrainer", "trainer_for"]

_CACHE = 1.5 * 2**20
"""Bytes that weights, the optimiser's state and a batch of all networks may take; they are all touched every step."""
_FEWEST = 4
"""Networks in a stack even where they are trained one after the other: they share their rows' making ready."""
_MOST = 32
"""Networks side by side; more gain nothing."""
_ANSWERS = 64 * 2**20
"""Bytes of answers held at a time."""
_AUTO = 200
"""Records in a batch where scikit-learn chooses."""

_NUMBERS = (
    *("alpha", "learning_rate_init", "power_t", "tol", "momentum", "validation_fraction"),
    *("beta_1", "beta_2", "epsilon", "n_iter_no_change"),
)
_OTHERS = (
    *("hidden_layer_sizes", "activation", "solver", "batch_size", "learning_rate", "max_iter", "shuffle", "loss"),
    *("random_state", "verbose", "warm_start", "nesterovs_momentum", "early_stopping", "max_fun"),
)


def trainer_for(estimator: Any, prefix: str) -> PerceptronTrainer | str:
    """Return the trainer of an `MLPClassifier` or `MLPRegressor`, or why there is none.

    Examples
    --------
    >>> from sklearn.neural_network import MLPClassifier
    >>> trainer_for(MLPClassifier(solver="lbfgs"), "")
    'networks are stacked for the solvers adam and sgd, not for lbfgs'
    """
    given = estimator.get_params(deep=False)
    for reason in _reasons(given):
        return reason
    sizes = given["hidden_layer_sizes"]
    hidden = tuple(int(size) for size in (sizes if np.ndim(sizes) else (sizes,)))
    rule = Rule(
        solver=given["solver"],
        rate=float(given["learning_rate_init"]),
        schedule=given["learning_rate"],
        power_t=float(given["power_t"]),
        momentum=float(given["momentum"]),
        nesterov=bool(given["nesterovs_momentum"]),
        beta_1=float(given["beta_1"]),
        beta_2=float(given["beta_2"]),
        epsilon=float(given["epsilon"]),
    )
    course = Course(
        alpha=float(given["alpha"]),
        batch_size=_AUTO if given["batch_size"] == "auto" else int(given["batch_size"]),
        shuffle=bool(given["shuffle"]),
        max_iter=int(given["max_iter"]),
        tol=float(given["tol"]),
        n_iter_no_change=float(given["n_iter_no_change"]),
        held_back=float(given["validation_fraction"]) if given["early_stopping"] else None,
    )
    return PerceptronTrainer(hidden, given["activation"], rule, course, prefix)


def _reasons(given: dict[str, Any]) -> Iterator[str]:
    """Yield why the networks cannot be stacked; a value that scikit-learn would refuse is left to it."""
    for name in given:
        if name not in _NUMBERS and name not in _OTHERS:
            yield f"the parameter {name} is not known here"
    if given["solver"] not in ("adam", "sgd"):
        yield f"networks are stacked for the solvers adam and sgd, not for {given['solver']}"
    if given.get("loss", "squared_error") != "squared_error":
        yield f"networks are stacked for the squared error, not for the loss {given['loss']}"
    if given["warm_start"]:
        yield "warm starts go on from an earlier fit"
    if given["max_fun"] != 15_000:
        yield "max_fun belongs to the solver lbfgs"
    if given["activation"] not in ACTIVATIONS:
        yield f"the activation {given['activation']!r} is not known here"
    if given["learning_rate"] not in ("constant", "invscaling", "adaptive"):
        yield f"the learning rate schedule {given['learning_rate']!r} is not known here"
    sizes = given["hidden_layer_sizes"]
    if np.ndim(sizes) > 1 or not all(_is_count(size) for size in (sizes if np.ndim(sizes) else (sizes,))):
        yield f"hidden_layer_sizes={sizes!r} are not counts of units"
    for name in _NUMBERS:
        if isinstance(given[name], bool) or not isinstance(given[name], Real) or not given[name] >= 0:
            yield f"{name}={given[name]!r} is not a number from 0 upwards"
    if not _is_count(given["max_iter"]) or not (given["batch_size"] == "auto" or _is_count(given["batch_size"])):
        yield "max_iter and batch_size have to be counts"


def _is_count(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1


@final
@dataclass(frozen=True)
class PerceptronTrainer:
    """Train networks of one form side by side, as scikit-learn trains each of them.

    Parameters
    ----------
    hidden : units of the hidden layers.
    activation : of the hidden layers.
    rule : how weights follow gradients.
    course : batches, penalty and when to stop.
    prefix : of the estimator's parameters in its pipeline.
    """

    hidden: tuple[int, ...]
    activation: str
    rule: Rule
    course: Course
    prefix: str

    name: ClassVar[str] = "perceptron"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "stacked networks (numpy)"
    tolerance: ClassVar[float | None] = 1e-2
    seeded: ClassVar[bool] = True
    floor: ClassVar[float] = 1e-7

    def at_once(self, n: int, width: int, n_classes: int) -> int:
        """As many as fit in the cache with a batch, and whose answers fit in 64 MiB."""
        net = self._net(width, n_classes)
        size = max(_FEWEST, self._side_by_side(net, n))
        return max(1, min(size, int(_ANSWERS / (8 * n * max(n_classes, 1)))))

    def scores(self, stack: Stack) -> Iterator[NDArray[Any]]:
        """Yield (k', N, C) probabilities or (k', N) predictions, in float32 if the rows are."""
        if stack.n_classes == 1:
            raise RecipeError("a model's records are all of one class")
        x = np.asarray(stack.x)
        rows = np.ones((*x.shape[:-1], x.shape[-1] + 1), x.dtype if x.dtype == np.float32 else np.float64)
        rows[..., :-1] = x
        net = self._net(x.shape[-1], stack.n_classes)
        y = np.asarray(stack.y) if stack.n_classes else np.asarray(stack.y).astype(rows.dtype)
        table = Table(rows.reshape(-1, rows.shape[-1]), y, stack.n_rows)
        size = self._side_by_side(net, stack.n_rows)
        for first in range(0, stack.k, size):
            models = np.arange(first, min(first + size, stack.k))
            with np.errstate(all="ignore"):
                weights = self._trained(net, table, stack, models)
                found = answers(net, weights, rows[models] if stack.own_rows else rows[None])
            if net.output == "identity":
                yield found[:, 0]
            elif net.output == "logistic":
                yield np.concatenate([1 - found, found], axis=1).transpose(0, 2, 1)
            else:
                yield found.transpose(0, 2, 1)

    def _trained(self, net: Net, table: Table, stack: Stack, models: NDArray[np.intp]) -> NDArray[Any]:
        """Return (k', P) weights; networks with another number of steps an epoch form a group of their own."""
        learners = []
        for model in models:
            seed = derive_seed(stack.seeds[model], f"{self.prefix}random_state")
            members = np.flatnonzero(stack.members[model])
            learners.append(learner_of(seed, net, members, table.y, held_back=self.course.held_back))
        steps = np.array([steps_of(len(learner.learns), self.course.batch_size) for learner in learners])
        places = table.places(models)
        weights = np.empty((len(models), net.size), table.x.dtype)
        for count in np.unique(steps):
            at = np.flatnonzero(steps == count)
            weights[at] = train(net, self.rule, self.course, table, [learners[i] for i in at], places[at])
        return weights

    def _net(self, width: int, n_classes: int) -> Net:
        output = "identity" if n_classes == 0 else "logistic" if n_classes <= 2 else "softmax"
        outputs = n_classes if output == "softmax" else 1
        return Net((width, *self.hidden, outputs), self.activation, output)

    def _side_by_side(self, net: Net, n: int) -> int:
        batch = min(self.course.batch_size, n)
        between = net.units[0] + 3 * sum(net.units[1:-1]) + 2 * net.units[-1]
        return int(np.clip(_CACHE / (8 * (5 * net.size + batch * between)), 1, _MOST))
