"""Train networks side by side, epoch by epoch; one that has stopped leaves, the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import RecipeError
from seepage.training.fast.perceptron_batches import Batch, Learner, batches_of
from seepage.training.fast.perceptron_layers import Net, Passes
from seepage.training.fast.perceptron_steps import Rule

__all__ = ["Course", "Table", "answers", "train"]

_READ = 2**17
"""Numbers between two layers of all networks while they are read."""


@dataclass(frozen=True)
class Course:
    """How long training goes on; names and meaning are scikit-learn's, and `held_back` is None without early stopping.

    `batch_size` is a number here.
    """

    alpha: float
    batch_size: int
    shuffle: bool
    max_iter: int
    tol: float
    n_iter_no_change: float
    held_back: float | None

    @property
    def watches_loss(self) -> bool:
        """Whether the loss can stop a network before the last epoch."""
        return self.held_back is None and self.n_iter_no_change < self.max_iter


@dataclass(frozen=True)
class Table:
    """The rows that networks learn from and are read on, each with a one at its end.

    Parameters
    ----------
    x : (N, d + 1), or (k · N, d + 1) where each network has rows of its own.
    y : (n,) class numbers or outcomes.
    n_rows : N.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    n_rows: int

    def places(self, models: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return (k, 1) where the rows of each network begin."""
        return models[:, None] * (self.n_rows if len(self.x) > self.n_rows else 0)


class _Group:
    """The networks that are still learning, and what stops them; all need equally many steps an epoch."""

    def __init__(
        self, net: Net, rule: Rule, course: Course, table: Table, learners: Sequence[Learner], places: NDArray[np.intp]
    ) -> None:
        self.net, self.course, self.table = net, course, table
        self.penalty = course.alpha * net.penalised()
        self.learners, self.places = list(learners), places
        self.at = np.arange(len(learners))
        self.weights = np.stack([learner.weights for learner in learners]).astype(table.x.dtype)
        self.rule, self.descent = rule, rule.start(self.weights)
        self.best = np.full(len(learners), np.inf if course.held_back is None else -np.inf)
        self.best_weights = self.weights.copy() if course.held_back is not None else self.weights
        self.idle = np.zeros(len(learners), dtype=np.intp)
        self.counts = np.array([len(learner.learns) for learner in learners])
        self.order = np.zeros((len(learners), max(self.counts)), dtype=np.intp)
        for row, learner in zip(self.order, learners, strict=True):
            row[: len(learner.learns)] = learner.learns
        self._ready()

    def _ready(self) -> None:
        """Make buffers and batches for the networks there are."""
        k, dtype = len(self.weights), self.weights.dtype
        self.gradients = np.empty_like(self.weights)
        self.layers, self.slopes = self.net.views(self.weights), self.net.views(self.gradients)
        self.batches = batches_of(self.counts, self.course.batch_size, self.penalty, dtype)
        self.passes = {b: Passes(self.net, k, b, dtype) for b in {batch.width for batch in self.batches}}
        self._number()

    def _number(self) -> None:
        """Look up where the rows and outcomes are, in the order there is now."""
        self.x_order = self.order + self.places if self.places.any() else self.order
        self.y_order = self.table.y[self.order]

    def keep(self, models: NDArray[np.intp]) -> None:
        """Go on with some of the networks."""
        self.learners = [self.learners[i] for i in models]
        self.places, self.at, self.idle, self.best, self.counts, self.order = (
            values[models] for values in (self.places, self.at, self.idle, self.best, self.counts, self.order)
        )
        self.weights = self.weights[models]
        self.best_weights = self.best_weights[models] if self.course.held_back is not None else self.weights
        self.descent.keep(models)
        self._ready()

    def epoch(self) -> NDArray[Any]:
        """Learn from every record once; return the (k,) mean losses, zeros if nobody watches them."""
        if self.course.shuffle:
            for learner, row, count in zip(self.learners, self.order, self.counts, strict=True):
                # scikit-learn shuffles 0 … n − 1 and looks the last order up in it: the same swaps
                learner.random.shuffle(row[:count])
            self._number()
        loss: NDArray[Any] = np.zeros(len(self.weights), self.weights.dtype)
        for batch in self.batches:
            loss += self._step(batch)
        mean: NDArray[Any] = loss / self.counts
        return mean

    def _step(self, batch: Batch) -> NDArray[Any] | float:
        passes = self.passes[batch.width]
        at = slice(batch.start, batch.start + batch.width)
        np.take(self.table.x, self.x_order[:, at], axis=0, out=passes.rows, mode="clip")
        rows = passes.rows.transpose(0, 2, 1)
        passes.forward(self.layers, rows)
        watched = self.course.watches_loss
        loss = passes.error(self.y_order[:, at], batch.weight, batch.valid, with_loss=watched)
        if loss is not None and self.course.alpha:
            loss = loss + 0.5 * (self.weights * self.weights) @ self.penalty.astype(self.weights.dtype)
        passes.backward(self.layers, self.slopes, rows)
        self.descent.step(self.weights, self.gradients, batch.decay)
        return 0.0 if loss is None else loss

    def judged(self) -> NDArray[np.float64]:
        """Return (k,) accuracy or R² on the records held back."""
        judges = [learner.judges for learner in self.learners]
        width = max(len(of) for of in judges)
        at = np.stack([np.pad(of, (0, width - len(of)), mode="edge") for of in judges])
        rows = self.table.x[at + self.places].transpose(0, 2, 1)
        found = Passes(self.net, len(at), width, self.weights.dtype, learns=False).forward(self.layers, rows)
        scores = np.empty(len(at))
        for i, of in enumerate(judges):
            scores[i] = _score(self.net, found[i, :, : len(of)], self.table.y[of])
        return scores

    def stopped(self, loss: NDArray[Any]) -> NDArray[np.bool_]:
        """Take note of the epoch and return (k,) which networks are done."""
        if self.course.held_back is None:
            idle = loss > self.best - self.course.tol
            self.best = np.where(loss < self.best, loss, self.best)
        else:
            score = self.judged()
            idle = score < self.best + self.course.tol
            better = score > self.best
            self.best = np.where(better, score, self.best)
            self.best_weights[better] = self.weights[better]
        self.idle = np.where(idle, self.idle + 1, 0)
        done: NDArray[np.bool_] = self.idle > self.course.n_iter_no_change
        if self.rule.adapts:
            slower = done & (self.descent.rates > 1e-6)
            self.descent.rates[slower] /= 5.0
            self.idle[slower] = 0
            done = done & ~slower
        return done


def _score(net: Net, found: NDArray[Any], y: NDArray[Any]) -> float:
    """Return one network's accuracy or R² on (outputs, n) answers."""
    if net.output == "identity":
        from sklearn.metrics import r2_score

        return float(r2_score(y, found[0])) if np.isfinite(found).all() else float("nan")
    labels = found[0] > 0.5 if net.output == "logistic" else found.argmax(axis=0)
    return float(np.mean(labels == y))


def train(
    net: Net, rule: Rule, course: Course, table: Table, learners: Sequence[Learner], places: NDArray[np.intp]
) -> NDArray[Any]:
    """Return the (k, P) weights of networks that need equally many steps an epoch.

    Raises
    ------
    RecipeError
        When weights are no longer finite.
    """
    group = _Group(net, rule, course, table, learners, places)
    made = np.empty_like(group.weights)
    seen = np.zeros(len(learners), dtype=np.intp)
    for _ in range(course.max_iter):
        loss = group.epoch()
        seen[group.at] += group.counts
        done = (
            group.stopped(loss)
            if course.watches_loss or course.held_back is not None
            else np.zeros(len(group.at), dtype=bool)
        )
        # a rate lowered because training would have stopped stays; one that follows a schedule is set anew
        group.descent.epoch_ended(seen[group.at])
        if done.any():
            made[group.at[done]] = (group.weights if course.held_back is None else group.best_weights)[done]
            if done.all():
                group.at = group.at[:0]
                break
            group.keep(np.flatnonzero(~done))
    if len(group.at):
        made[group.at] = group.weights if course.held_back is None else group.best_weights
    if not np.isfinite(made).all():
        raise RecipeError("the weights of a network are no longer finite; the features may need scaling")
    return made


def answers(net: Net, weights: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Return (k, outputs, N) answers of k networks to (k or 1, N, inputs + 1) rows."""
    k, n = len(weights), rows.shape[1]
    layers = net.views(weights)
    out = np.empty((k, net.units[-1], n), weights.dtype)
    width = min(n, max(64, _READ // (k * max(net.units[1:]))))
    passes = Passes(net, k, width, weights.dtype, learns=False)
    for start in range(0, n, width):
        if start + width > n:
            passes = Passes(net, k, n - start, weights.dtype, learns=False)
        part = rows[:, start : start + width].transpose(0, 2, 1)
        out[:, :, start : start + width] = passes.forward(layers, part)
    return out
