"""How many persons are memorised: shares freed from the noise of few models, and what chance alone would show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.memorisation.estimate import Bools, Contrast, Floats, contrast

__all__ = ["ABOVE", "Floor", "Shares", "chance_floor", "memorised_shares"]

ABOVE = (0.25, 0.5)
"""Memorisation above which shares of persons are given."""

_MOST = 2_000
_POINTS = 81
_ROUNDS = 150
_FOLDS = 8
_SHUFFLES = 20


@dataclass(frozen=True)
class Shares:
    """Mean memorisation and shares above `ABOVE`, each (value, low, high) at 95 % over retrainings on this data.

    Parameters
    ----------
    mean : mean memorisation of the persons looked at.
    above : threshold → share of these persons, freed from noise.
    naive : threshold → share of estimates above it, noise included.
    """

    mean: tuple[float, float, float]
    above: dict[float, tuple[float, float, float]]
    naive: dict[float, float]


@dataclass(frozen=True)
class Floor:
    """What the estimator shows where nothing can be memorised: each person under another person's inclusion.

    Parameters
    ----------
    spread : standard deviation of the estimates.
    largest : largest estimate in a typical shuffle.
    above : threshold → share of estimates above it.
    estimates : (shuffles · u,) all estimates.
    """

    spread: float
    largest: float
    above: dict[float, float]
    estimates: Floats


def chance_floor(signal: Floats, mask: Bools, seed: int, *, kept: Bools, spread: float = 0.0) -> Floor:
    """Return what the estimator shows after persons have swapped their inclusion with others, 20 times.

    Parameters
    ----------
    signal, mask : (K, u) by person.
    kept : (u,) persons to report on.
    spread : see `contrast`.
    """
    rng = np.random.default_rng([seed, 701])
    people = np.flatnonzero(kept)
    many = people if len(people) <= _MOST else np.sort(rng.choice(people, _MOST, replace=False))
    drawn = []
    for _ in range(_SHUFFLES):
        other = rng.permutation(mask.shape[1])[many] if mask.shape[1] > 1 else many
        value = contrast(signal[:, many], mask[:, other], spread=spread).value
        drawn.append(value[~np.isnan(value)])
    every = np.concatenate(drawn)
    if not len(every):
        return Floor(float("nan"), float("nan"), {level: float("nan") for level in ABOVE}, every)
    return Floor(
        float(every.std()),
        float(np.median([d.max() for d in drawn if len(d)])),
        {level: float((every > level).mean()) for level in ABOVE},
        every,
    )


def memorised_shares(
    signal: Floats, mask: Bools, complements: NDArray[np.intp], seed: int, *, kept: Bools, spread: float = 0.0
) -> Shares:
    """Return mean memorisation and the shares above `ABOVE`, with intervals over retrainings.

    The distribution of true memorisation is the one that, blurred by each person's standard error, makes the
    estimates most likely (nonparametric maximum likelihood, Kiefer and Wolfowitz 1956). Intervals come from leaving
    out an eighth of the models at a time, complements together (delete-group jackknife, Student's t).

    Parameters
    ----------
    signal, mask : (K, u) by person.
    complements : (K,) the complement of each model, −1 for none.
    kept : (u,) persons to report on; at most 2,000 of them, drawn by chance, enter.
    spread : see `contrast`.
    """
    rng = np.random.default_rng([seed, 702])
    people = np.flatnonzero(kept)
    many = people if len(people) <= _MOST else np.sort(rng.choice(people, _MOST, replace=False))
    signal, mask = signal[:, many], mask[:, many]
    whole = contrast(signal, mask, spread=spread)
    centre = _estimate(whole)
    folds = _folds(complements, rng)
    parts = np.array([_estimate(contrast(signal[folds != f], mask[folds != f], spread=spread)) for f in range(_FOLDS)])
    known = ~np.isnan(whole.value)
    naive = {level: float((whole.value[known] > level).mean()) if known.any() else float("nan") for level in ABOVE}
    half = _half_width(parts, centre)
    sides = [(float(c), float(c - h), float(c + h)) for c, h in zip(centre, half, strict=True)]
    least = 3.0 / max(int(known.sum()), 3)  # a share of none is not known more finely than this
    within = [(v, max(0.0, low), min(1.0, max(high, least))) for v, low, high in sides[1:]]
    return Shares(sides[0], dict(zip(ABOVE, within, strict=True)), naive)


def _folds(complements: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Deal the models into folds by chance; a model and its complement share one."""
    first = np.array([k if c < 0 else min(k, int(c)) for k, c in enumerate(complements)])
    leads, at = np.unique(first, return_inverse=True)
    dealt = np.arange(len(leads)) % _FOLDS
    rng.shuffle(dealt)
    return dealt[at.reshape(-1)]


def _half_width(parts: Floats, centre: Floats) -> Floats:
    from scipy.special import stdtrit

    error = np.sqrt((_FOLDS - 1) / _FOLDS * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))
    half: Floats = stdtrit(_FOLDS - 1, 0.975) * error
    return np.where(np.isnan(centre), np.nan, half)


def _estimate(found: Contrast) -> Floats:
    """Return (1 + levels,): mean memorisation, then the share of true memorisation above each level."""
    known = ~np.isnan(found.value)
    if not known.any():
        return np.full(1 + len(ABOVE), np.nan)
    value, error = found.value[known], np.maximum(found.error[known], 0.01)
    grid = np.linspace(min(-0.5, float(value.min())), max(1.0, float(value.max())), _POINTS)
    near = np.exp(-0.5 * ((value[:, None] - grid) / error[:, None]) ** 2) / error[:, None] + 1e-12
    weight = np.full(_POINTS, 1.0 / _POINTS)
    for _ in range(_ROUNDS):
        share = near * weight
        share /= share.sum(axis=1, keepdims=True)
        moved = share.mean(axis=0)
        done = np.abs(moved - weight).sum() < 1e-4
        weight = moved
        if done:
            break
    return np.array([value.mean(), *(weight[grid > level].sum() for level in ABOVE)])
