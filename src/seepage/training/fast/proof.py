"""Hold a fast trainer against a plain fit of the same recipe before any of its models is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Proof", "compare_exactly", "compare_in_distribution"]

_SHARE = 0.999
"""Share of the records that must agree: a distance tie, or a threshold on the edge, may fall either way."""
_LIMIT = 5.0
"""Standard deviations between the plain fit and the fast ones that still pass as chance."""


@dataclass(frozen=True)
class Proof:
    """Whether the fast trainer made the same model, and what was seen."""

    passed: bool
    seen: str


def compare_exactly(fast: NDArray[Any], plain: NDArray[Any], tolerance: float, *, what: str) -> Proof:
    """Compare two models record by record.

    Parameters
    ----------
    fast, plain : (n,) the true class's probability, or the prediction in standard deviations of the outcome.
    tolerance : largest difference allowed on 99.9 % of the records.
    what : the unit, for the message.

    Examples
    --------
    >>> compare_exactly(np.array([0.5, 0.2]), np.array([0.5, 0.3]), 1e-3, what="probability").passed
    False
    """
    if not (np.isfinite(fast).all() and np.isfinite(plain).all()):
        return Proof(False, "one of the two gave no finite answer")
    gap = np.sort(np.abs(fast - plain))
    typical = float(gap[int(np.ceil(_SHARE * len(gap))) - 1])
    return Proof(typical <= tolerance, f"largest difference {typical:.2g} in {what} (allowed {tolerance:g})")


def compare_in_distribution(fast: NDArray[Any], plain: NDArray[Any], inside: NDArray[np.bool_]) -> Proof:
    """Compare one plain fit with several fast ones of other seeds, by mean and spread of the signal on either side.

    Parameters
    ----------
    fast : (k, n) signals of k ≥ 4 models with the same members.
    plain : (n,) signals of the plain fit.
    inside : (n,) who they were trained on.
    """
    seen = []
    for side, rows in (("with", inside), ("without", ~inside)):
        for word, of in (("mean", np.mean), ("spread", np.std)):
            values = of(fast[:, rows], axis=1)
            own = float(of(plain[rows]))
            spread = max(float(values.std(ddof=1)), 0.02 * abs(float(values.mean())), 1e-6)
            z = (own - float(values.mean())) / (spread * np.sqrt(1 + 1 / len(values)))
            seen.append((abs(z), f"{word} of the signal {side} the record {own:.3g}, fast {values.mean():.3g}"))
    worst, text = max(seen)
    return Proof(bool(worst <= _LIMIT), f"{text} ({worst:.1f} standard deviations apart, allowed {_LIMIT:g})")
