"""Who learns from whom, and when: each network's records, cut into batches of which the last may be ragged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from seepage.errors import RecipeError

__all__ = ["Batch", "Learner", "batches_of", "learner_of", "steps_of"]


class _Fixed(ISeedSequence):
    """A seed that costs nothing: numpy spends 0.1 ms on a generator's first state, which is replaced anyway."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        return np.ones(n_words, dtype)


@dataclass(frozen=True)
class Learner:
    """One network's random numbers, the records it learns from and those that judge it.

    Parameters
    ----------
    random : its generator, in the state after the first weights were drawn and the judges were set apart.
    weights : (P,) the first weights.
    learns : (n_train,) numbers of records; `judges` : (n_val,) those held back, none without early stopping.
    """

    random: np.random.RandomState
    weights: NDArray[np.float64]
    learns: NDArray[np.intp]
    judges: NDArray[np.intp]


def learner_of(seed: int, net: Any, members: NDArray[np.intp], y: NDArray[Any], *, held_back: float | None) -> Learner:
    """Draw in scikit-learn's order: first weights, then the records held back (stratified for two classes).

    Raises
    ------
    RecipeError
        When the records cannot be split.
    """
    random = np.random.RandomState(np.random.MT19937(cast(Any, _Fixed())))
    random.seed(seed)
    weights = net.drawn(random)
    if held_back is None:
        return Learner(random, weights, members, members[:0])
    from sklearn.model_selection import train_test_split

    try:
        learns, judges = train_test_split(
            members,
            random_state=random,
            test_size=held_back,
            stratify=y[members] if net.output == "logistic" else None,
        )
    except ValueError as error:
        raise RecipeError(f"records for early stopping cannot be held back: {error}") from error
    if len(judges) < 2:
        raise RecipeError(
            f"only {len(judges)} record would be held back for early stopping; a larger validation_fraction is needed"
        )
    return Learner(random, weights, learns, judges)


@dataclass(frozen=True)
class Batch:
    """One step of an epoch for k networks.

    Parameters
    ----------
    start, width : its place in the networks' orders; width is that of the longest.
    weight : one over the number of records; (k, 1, width) where they differ, 0 for padding.
    valid : (k, 1, width) ones, and zeros for padding; None if there is none.
    decay : (P,) or (k, P) penalty over the number of records; None without a penalty.
    """

    start: int
    width: int
    weight: float | NDArray[Any]
    valid: NDArray[Any] | None
    decay: NDArray[Any] | None


def steps_of(n: int, batch_size: int) -> int:
    """Return the steps of an epoch over n records."""
    return -(-n // min(batch_size, n))


def batches_of(counts: NDArray[np.intp], batch_size: int, penalty: NDArray[np.float64], dtype: Any) -> list[Batch]:
    """Return the steps of an epoch of networks that all need equally many.

    Parameters
    ----------
    counts : (k,) records they learn from.
    penalty : (P,) α for weights, 0 for intercepts.
    dtype : of the weights.

    Examples
    --------
    >>> [(b.start, b.width) for b in batches_of(np.array([100, 99]), 64, np.zeros(5), np.float64)]
    [(0, 64), (64, 36)]
    """
    before = (steps_of(int(counts[0]), batch_size) - 1) * batch_size
    batches = [_batch(before, counts - before, penalty, dtype)]
    if before:
        whole = _batch(0, np.array([batch_size]), penalty, dtype)
        batches = [*(replace(whole, start=start) for start in range(0, before, batch_size)), *batches]
    return batches


def _batch(start: int, sizes: NDArray[np.intp], penalty: NDArray[np.float64], dtype: Any) -> Batch:
    width, penalised = int(sizes.max()), bool(penalty.any())
    if (sizes == width).all():
        return Batch(start, width, 1.0 / width, None, (penalty / width).astype(dtype) if penalised else None)
    valid = (np.arange(width) < sizes[:, None])[:, None]
    return Batch(
        start,
        width,
        (valid / sizes[:, None, None]).astype(dtype),
        valid.astype(dtype),
        (penalty / sizes[:, None]).astype(dtype) if penalised else None,
    )
