"""The power of an attack: how often the declared rule says "leak" when members and nonmembers are drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seepage import stats

__all__ = ["FPR", "Power", "power_of", "says_leak"]

FPR = 0.001


@dataclass(frozen=True)
class Power:
    """How often the rule says "leak".

    Parameters
    ----------
    share : of all draws.
    by_target : share of the draws of each target.
    draws : per target.
    without_leak : share of as many draws in which who is a member was shuffled, so that there is nothing to find.
    """

    share: float
    by_target: tuple[float, ...]
    draws: int
    without_leak: float


def says_leak(members: np.ndarray, nonmembers: np.ndarray, fpr: float = FPR) -> bool:
    """Say whether TPR's lower limit lies above FPR's upper one (Clopper–Pearson, 95 %) at the threshold for `fpr`.

    Examples
    --------
    >>> says_leak(np.arange(2000.0) + 1900, np.arange(2000.0)), says_leak(np.arange(2000.0), np.arange(2000.0))
    (True, False)
    """
    point = stats.operating_point(members, nonmembers, fpr)
    return bool((point.tpr_interval.low or 0.0) > (point.fpr_interval.high or 1.0))


def power_of(scores: np.ndarray, member: np.ndarray, draws: int, seed: int) -> Power:
    """Return the power over all targets, from bootstrap draws of each target's members and nonmembers.

    Parameters
    ----------
    scores, member : (T, n); NaN scores belong to records that the attack knew beforehand.
    draws : per target.
    """
    shares, empty = [], []
    for number, (own, truth) in enumerate(zip(scores, member, strict=True)):
        seen = ~np.isnan(own)
        values, inside = own[seen], truth[seen]
        rng = np.random.default_rng([seed, 3, number])
        found = np.empty((draws, 2), dtype=bool)
        for draw in range(draws):
            drawn = (rng.choice(values[side], side.sum()) for side in (inside, ~inside))
            shuffled = rng.permutation(inside)
            found[draw] = says_leak(*drawn), says_leak(values[shuffled], values[~shuffled])
        shares.append(float(found[:, 0].mean()))
        empty.append(float(found[:, 1].mean()))
    return Power(float(np.mean(shares)), tuple(shares), draws, float(np.mean(empty)))
