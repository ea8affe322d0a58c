"""From a signal to the probability of the outcome that was recorded: log-odds for classes, a Gaussian for residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seepage.attacks.membership.moments import Readings, both_means
from seepage.spec import Task

__all__ = ["log_probability", "probability", "residual_scale"]

Floats = NDArray[np.float64]

LOG_SMALLEST = -700.0
"""Smallest log probability; its exponential is still a number."""


def probability(task: Task, sigma: float, signals: Floats) -> Floats:
    """Return p of the true class from its log-odds, or exp(−r²/2σ²) of a residual; never 0.

    Parameters
    ----------
    task : CLASSIFICATION for margins, REGRESSION for residuals.
    sigma : scale of the residuals; not read for margins.
    signals : float64, any shape.
    """
    if task is Task.REGRESSION:
        return np.asarray(np.exp(np.maximum(-0.5 * (signals / sigma) ** 2, LOG_SMALLEST)))
    from scipy.special import expit

    return np.asarray(np.maximum(expit(signals), np.exp(LOG_SMALLEST)))


def log_probability(task: Task, sigma: float, signals: Floats) -> Floats:
    """Return log p of the true class from its log-odds, or −r²/2σ² of a residual; NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(log_probability(Task.CLASSIFICATION, 1.0, np.array([0.0, np.log(3.0)]))).tolist()
    [0.5, 0.75]
    """
    if task is Task.REGRESSION:
        return -0.5 * (signals / sigma) ** 2
    known = np.where(np.isnan(signals), 0.0, signals)
    return np.where(np.isnan(signals), np.nan, -np.logaddexp(0.0, -known))


def residual_scale(readings: Readings) -> float:
    """Return σ: root mean square of all residuals of models without the record; 1 for a classifier."""
    if readings.task is not Task.REGRESSION:
        return 1.0
    scale = float(np.sqrt(both_means(readings, np.square)[1].everything))
    return scale if scale > 0 else 1.0
