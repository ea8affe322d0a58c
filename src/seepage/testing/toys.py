"""Scenes with a known answer, from models in closed form: one that leaks who was in, one that cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.protocol import Scene, ShadowTable
from seepage.records import Records
from seepage.signals import margin, modified_entropy
from seepage.spec import Access, Task
from seepage.targets import open_target
from seepage.targets.oracle import Oracle

__all__ = ["Population", "draw_masks", "draw_population", "scene_from_answers", "toy_leaky_scene", "toy_safe_scene"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FLOOR = 1e-6
"""Smallest probability of the toy classifiers."""
PRIOR_WEIGHT = 0.1
"""Say of the prior in a leaky model, against a weight of 1 for a training row at the very place."""
BANDWIDTH = 0.4
"""Kernel width of the leaky model, in standard deviations of a feature."""


@dataclass(frozen=True)
class Population:
    """Records of a toy world.

    Parameters
    ----------
    x : (n + z, 4) features; the first n rows are audited, the other z belong to nobody's table.
    y : (n + z,) outcome: 0 or 1, or a real number.
    n : number of audited records.
    task : classification or regression.
    """

    x: Floats
    y: Floats
    n: int
    task: Task


def draw_population(task: Task, rng: np.random.Generator, n: int, extra: int = 200) -> Population:
    """Draw features from a normal distribution, and an outcome that depends on them a little."""
    x = rng.normal(size=(n + extra, 4))
    lean = 0.5 * x[:, 0]
    if task is Task.CLASSIFICATION:
        y = (rng.random(n + extra) < 1.0 / (1.0 + np.exp(-lean))).astype(np.float64)
    else:
        y = lean + rng.normal(size=n + extra)
    return Population(x, y, n, task)


def draw_masks(rng: np.random.Generator, n: int, shadows: int, *, pairs: bool = True) -> tuple[Bools, NDArray[np.intp]]:
    """Draw who is in each shadow model: complementary halves, or independent coin flips.

    Returns
    -------
    mask (K, n) and the index of each model's complement, -1 for none.
    """
    if not pairs:
        return rng.random((shadows, n)) < 0.5, np.full(shadows, -1, dtype=np.intp)
    mask = np.zeros((shadows, n), dtype=bool)
    for k in range(0, shadows, 2):
        mask[k, rng.permutation(n)[: n // 2]] = True
        if k + 1 < shadows:
            mask[k + 1] = ~mask[k]
    complements = np.arange(shadows, dtype=np.intp) ^ 1
    complements[complements >= shadows] = -1
    return mask, complements


def toy_leaky_scene(task: str | Task, seed: int, n: int = 400, *, shadows: int = 16) -> Scene:
    """Return a scene in which the models remember their rows: kernel smoothers that weigh a row at its own place most.

    Each model answers with the kernel-weighted mean of the outcomes it was trained on (Nadaraya–Watson), so a member
    finds their own outcome in the answer. Half of the n records are members.

    Parameters
    ----------
    task : "classification" or "regression".
    seed : of the whole scene.
    n : number of audited records, half of them members.
    shadows : number of shadow models, in complementary pairs.

    Examples
    --------
    >>> scene = toy_leaky_scene("regression", seed=1, n=100)
    >>> int(scene.truth.sum()), sorted(scene.signals)
    (50, ['gradient-norm', 'residual'])
    """
    task = Task(task)
    rng = np.random.default_rng([seed, 1])
    world = draw_population(task, rng, n)
    truth = _half(rng, n)
    mask, complements = draw_masks(rng, n, shadows)
    distance = ((world.x[:, None, :] - world.x[None, :n, :]) ** 2).sum(axis=2)
    weight = np.exp(-0.5 * distance / BANDWIDTH**2)
    trained = np.vstack([truth[None], mask]).astype(np.float64)
    prior = 0.5 if task is Task.CLASSIFICATION else 0.0
    votes = PRIOR_WEIGHT * prior + (trained * world.y[:n]) @ weight.T
    answers = votes / (PRIOR_WEIGHT + trained @ weight.T)

    def answer(x: Floats) -> Floats:
        """Answer as the target does, for rows of any kind."""
        members = world.x[:n][truth]
        apart = (x**2).sum(axis=1)[:, None] + (members**2).sum(axis=1) - 2.0 * x @ members.T
        near = np.exp(-0.5 * np.maximum(apart, 0.0) / BANDWIDTH**2)
        found: Floats = (PRIOR_WEIGHT * prior + near @ world.y[:n][truth]) / (PRIOR_WEIGHT + near.sum(axis=1))
        return found

    return scene_from_answers(world, answers, truth, mask, complements, seed=seed, answer=answer)


def toy_safe_scene(task: str | Task, seed: int, n: int = 400, *, shadows: int = 16) -> Scene:
    """Return a scene in which nothing leaks: every model was trained on people who are not in the scene.

    Members and nonmembers are drawn by chance from the same records and no answer depends on who was drawn, so the
    AUC of every attack is ½ in expectation, exactly.

    Parameters
    ----------
    task : "classification" or "regression".
    seed : of the whole scene.
    n : number of audited records, half of them members.
    shadows : number of shadow models, in complementary pairs.

    Examples
    --------
    >>> toy_safe_scene("classification", seed=1, n=100).shadows.mask.shape
    (16, 100)
    """
    task = Task(task)
    rng = np.random.default_rng([seed, 2])
    world = draw_population(task, rng, n)
    truth = _half(rng, n)
    mask, complements = draw_masks(rng, n, shadows)
    return scene_from_answers(world, outside_answers(world, rng, shadows + 1), truth, mask, complements, seed=seed)


def outside_answers(world: Population, rng: np.random.Generator, models: int) -> Floats:
    """Return answers of linear models whose coefficients come from data outside the world, (models, n + z)."""
    coefficients = np.array([0.5, 0.0, 0.0, 0.0]) + 0.2 * rng.normal(size=(models, 4))
    linear = coefficients @ world.x.T
    return 1.0 / (1.0 + np.exp(-linear)) if world.task is Task.CLASSIFICATION else linear


def scene_from_answers(
    world: Population,
    answers: Floats,
    truth: Bools,
    mask: Bools,
    complements: NDArray[np.intp],
    *,
    seed: int,
    persons: NDArray[np.intp] | None = None,
    answer: Callable[[Floats], Floats] | None = None,
) -> Scene:
    """Turn models' answers into a scene with every reader, features and population records.

    Parameters
    ----------
    world : the records.
    answers : (1 + K, n + z) probability of class 1, or prediction; row 0 is the target.
    truth : (n,) bool, who the target was trained on.
    mask : (K, n) bool, who each shadow model was trained on.
    complements : (K,) index of each model's complement, or -1.
    seed : handed on to attacks that draw.
    persons : (n,) person of each record, or None.
    answer : what the target answers to rows of any kind; by default what it answers to the nearest record.
    """
    n = world.n
    y = world.y[:n].astype(np.intp) if world.task is Task.CLASSIFICATION else world.y[:n]
    read = [_read(world, row) for row in answers]
    tables = {name: np.stack([signals[name] for signals in read]) for name in read[0]}
    return Scene(
        task=world.task,
        ids=np.arange(n),
        persons=persons,
        truth=truth,
        signals={name: table[0, :n] for name, table in tables.items()},
        shadows=ShadowTable(
            {name: table[1:, :n] for name, table in tables.items()},
            mask,
            complements,
            {name: table[1:, n:] for name, table in tables.items()},
        ),
        features=np.column_stack([world.x[:n], world.y[:n]]),
        population={name: table[0, n:] for name, table in tables.items()},
        n_classes=2 if world.task is Task.CLASSIFICATION else 0,
        seed=seed,
        records=Records(world.x[:n], y, persons=persons),
        oracle=_oracle(world.task, answer or _nearest(world.x, answers[0])),
    )


def _nearest(x: Floats, answers: Floats) -> Callable[[Floats], Floats]:
    from scipy.spatial import cKDTree

    tree = cKDTree(x)
    return lambda asked: np.asarray(answers[tree.query(asked)[1]], dtype=np.float64)


def _oracle(task: Task, answer: Callable[[Floats], Floats]) -> Oracle:
    """Return the target as something that may be asked nothing yet."""

    def model(x: Any) -> Floats:
        found = answer(np.asarray(x, dtype=np.float64))
        return found if task is Task.REGRESSION else np.column_stack([1.0 - found, found])

    classes = [0, 1] if task is Task.CLASSIFICATION else None
    return Oracle(open_target(model, access=(Access.SCORES,), task=task, classes=classes, name="toy"), Access.LABELS, 0)


def _read(world: Population, answer: Floats) -> dict[str, NDArray[np.float32]]:
    if world.task is Task.REGRESSION:
        residual = (world.y - answer).astype(np.float32)
        return {"residual": residual, "gradient-norm": np.abs(residual)}
    scores = np.column_stack([1.0 - answer, answer])
    column = world.y.astype(np.intp)
    return {
        "margin": margin(scores, column, floor=FLOOR),
        "modified-entropy": modified_entropy(scores, column, floor=FLOOR),
        "correct": (scores.argmax(axis=1) == column).astype(np.float32),
        "gradient-norm": np.abs(world.y - answer).astype(np.float32),
    }


def _half(rng: np.random.Generator, n: int) -> Bools:
    truth = np.zeros(n, dtype=bool)
    truth[rng.permutation(n)[: n // 2]] = True
    return truth
