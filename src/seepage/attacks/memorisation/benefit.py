"""Whom memorising helps: the change in what models without a record say of it when similar records are in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.memorisation.estimate import Bools, Contrast, Floats, contrast, discoveries, p_values

__all__ = ["STEP", "Influence", "Overall", "cluster_influence", "overall_benefit"]


STEP = 0.25
"""Benefit is given for so much more of a group in training: models hold about half, a quarter either way is seen."""


@dataclass(frozen=True)
class Influence:
    """Influence of each cluster's members on the cluster's records that a model was not trained on.

    Parameters
    ----------
    size : (c,) records of each cluster.
    value, error : (c,) change of the held-out signal when a further `STEP` of the cluster is in training.
    low, high : (c,) limits at 95 % that hold for all clusters at once (Bonferroni).
    p : (c,) one-sided p-value of "no benefit".
    helps : (c,) benefit listed at a false-discovery rate of 5 %.
    memorisation, memorisation_low : (c,) mean memorisation of the records, and its lower limit, as `low`.
    """

    size: NDArray[np.intp]
    value: Floats
    error: Floats
    low: Floats
    high: Floats
    p: Floats
    helps: Bools
    memorisation: Floats
    memorisation_low: Floats


@dataclass(frozen=True)
class Overall:
    """Change of the held-out signal of all records when a further `STEP` of those memorised is in training."""

    value: float
    low: float
    high: float
    persons: int


@dataclass(frozen=True)
class _Slope:
    value: Floats
    error: Floats
    freedom: Floats


def cluster_influence(
    signal: Floats,
    mask: Bools,
    complements: NDArray[np.intp],
    clusters: NDArray[np.intp],
    own: Floats,
    *,
    rate: float = 0.05,
) -> Influence:
    """Return the influence of each cluster on its own records while they are held out.

    In each model some of a cluster's records are in training and the others are held out. The mean signal of those
    held out, each less its own mean over models without it, is regressed on the share of the cluster in training;
    of complementary models the difference is taken, so that what a pair shares cancels. Standard errors allow for
    unequal variances (HC2), p-values are Student's with the degrees of freedom that such an error has, and Benjamini
    and Hochberg's rule selects. Clusters come from features and outcomes alone, so nothing was selected beforehand.

    Parameters
    ----------
    signal : (K, n) what each model says of each record, such as whether its label is right.
    mask : (K, n) True where the record was trained on.
    complements : (K,) complement of each model, −1 for none.
    clusters : (n,) cluster of each record, −1 for none.
    own : (K, n) the signal of which a record's own memorisation is the difference.
    rate : false-discovery rate.

    References
    ----------
    Feldman, Zhang (2020), What Neural Networks Memorize and Why, arXiv 2008.03703, §3;
    Bell, McCaffrey (2002), Survey Methodology 28:169, for the degrees of freedom.
    """
    from scipy.special import stdtr, stdtrit

    count = int(clusters.max(initial=-1)) + 1
    member = np.zeros((len(clusters), count))
    placed = clusters >= 0
    member[placed, clusters[placed]] = 1.0
    size = member.sum(axis=0)
    held = (~mask).astype(np.float64)
    centred = _centred(signal, held) * held
    outside = held @ member
    known = outside > 0
    mean = np.divide(centred @ member, outside, out=np.zeros_like(outside), where=known)
    inside = 1.0 - outside / size
    slope = _regress(inside, mean, known, complements)
    tests = max(count, 1)
    wide = stdtrit(slope.freedom, 1.0 - 0.025 / tests)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = stdtr(slope.freedom, -slope.value / slope.error)
    p = np.where(np.isfinite(p), p, 1.0)
    memorised = _slope_of_own(own, mask, complements, member, size)
    return Influence(
        size.astype(np.intp),
        slope.value,
        slope.error,
        slope.value - wide * slope.error,
        slope.value + wide * slope.error,
        p,
        discoveries(p, rate),
        memorised.value,
        memorised.value - stdtrit(memorised.freedom, 1.0 - 0.025 / tests) * memorised.error,
    )


def overall_benefit(
    signal: Floats,
    mask: Bools,
    persons: Floats,
    inclusion: Bools,
    complements: NDArray[np.intp],
    *,
    at_least: float,
    bounded: bool,
    spread: float,
) -> Overall | None:
    """Return what memorised persons buy for everyone held out; None where fewer than ten are memorised.

    Who is memorised is read from one half of the models, what that buys from the other, and the other way round: the
    same noise must not select and measure.

    Parameters
    ----------
    signal, mask : (K, n) by record, as for `cluster_influence`.
    persons, inclusion : (K, u) own signal and inclusion by person.
    complements : (K,) complement of each model, −1 for none.
    at_least, bounded, spread : what counts as memorised; see `p_values` and `contrast`.
    """
    from scipy.special import stdtrit

    first = np.array([k if c < 0 else min(k, int(c)) for k, c in enumerate(complements)])
    half = np.searchsorted(np.unique(first), first) % 2
    held = (~mask).astype(np.float64)
    parts: list[_Slope] = []
    people = []
    for side in (0, 1):
        chosen, measured = half == side, half != side
        found: Contrast = contrast(persons[chosen], inclusion[chosen], spread=spread)
        listed = discoveries(p_values(found, at_least, bounded=bounded))
        if listed.sum() < 10:
            return None
        share = inclusion[measured][:, listed].mean(axis=1, keepdims=True)
        centred = _centred(signal[measured], held[measured]) * held[measured]
        mean = centred.sum(axis=1, keepdims=True) / np.maximum(held[measured].sum(axis=1, keepdims=True), 1.0)
        parts.append(_regress(share, mean, np.ones_like(share, dtype=bool), _renumbered(complements, measured)))
        people.append(int(listed.sum()))
    value = float(np.mean([part.value[0] for part in parts]))
    error = float(np.sqrt(sum(part.error[0] ** 2 for part in parts)) / 2.0)
    wide = float(stdtrit(sum(float(part.freedom[0]) for part in parts), 0.975)) * error
    return Overall(value, value - wide, value + wide, round(float(np.mean(people))))


def _centred(signal: Floats, held: Floats) -> Floats:
    """Take from each record its mean over the models that hold it out, so that who is held out plays no part."""
    count = held.sum(axis=0)
    mean = np.divide((signal * held).sum(axis=0), count, out=np.zeros(signal.shape[1]), where=count > 0)
    centred: Floats = signal - mean
    return centred


def _renumbered(complements: NDArray[np.intp], kept: Bools) -> NDArray[np.intp]:
    place = np.cumsum(kept) - 1
    old = complements[kept]
    ok = (old >= 0) & kept[np.maximum(old, 0)]
    return np.where(ok, place[np.maximum(old, 0)], -1).astype(np.intp)


def _slope_of_own(own: Floats, mask: Bools, complements: NDArray[np.intp], member: Floats, size: Floats) -> _Slope:
    """Return each cluster's mean memorisation, its error over pairs of models (or single ones)."""
    with_, without = mask.astype(np.float64), (~mask).astype(np.float64)
    n_in, n_out = np.maximum(with_.sum(axis=0), 1.0), np.maximum(without.sum(axis=0), 1.0)
    mean_in, mean_out = (own * with_).sum(axis=0) / n_in, (own * without).sum(axis=0) / n_out
    # what each model adds to mean_in − mean_out; the parts of all models sum to it
    models = len(own)
    parts = (own * (with_ / n_in - without / n_out)) * models
    blur = (with_ * (own - mean_in) / n_in - without * (own - mean_out) / n_out) * models
    value = parts.mean(axis=0) @ member / size
    by_model = blur @ member / size
    first = np.array([k if c < 0 else min(k, int(c)) for k, c in enumerate(complements)])
    _, at = np.unique(first, return_inverse=True)
    blocks = int(at.max()) + 1
    total = np.zeros((blocks, member.shape[1]))
    np.add.at(total, at.reshape(-1), by_model / models)
    error = np.sqrt((total**2).sum(axis=0) * blocks / max(blocks - 1, 1))
    return _Slope(value, error, np.full(len(value), max(blocks - 1, 1.0)))


def _regress(inside: Floats, mean: Floats, known: Bools, complements: NDArray[np.intp]) -> _Slope:
    """Regress mean on inside, column by column, over pairs of complements where there are any, else over models."""
    pairs = np.array([(k, int(c)) for k, c in enumerate(complements) if c > k], dtype=np.intp).reshape(-1, 2)
    if len(pairs):
        first, second = pairs.T
        use = known[first] & known[second]
        x, y = inside[first] - inside[second], mean[first] - mean[second]
    else:
        use = known
        count = np.maximum(use.sum(axis=0), 1)
        x = inside - (inside * use).sum(axis=0) / count
        y = mean - (mean * use).sum(axis=0) / count
    x, y = x * use, y * use
    square = (x**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (x * y).sum(axis=0) / square  # change from none of the cluster to all of it
        leverage = np.minimum(x**2 / square, 0.99)
        error = np.sqrt((x**2 * (y - value * x) ** 2 / (1.0 - leverage)).sum(axis=0)) / square
        freedom = square**2 / (x**4).sum(axis=0)
    return _Slope(STEP * value, STEP * error, np.maximum(np.nan_to_num(freedom, nan=1.0), 1.0))
