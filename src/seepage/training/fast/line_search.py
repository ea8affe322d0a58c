"""The line search of Moré & Thuente, one scalar step at a time, as scikit-learn's solver takes it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CURVATURE", "DECREASE", "Search"]

DECREASE = 1e-3
"""Sufficient decrease: f may not lie above this share of the initial slope."""
CURVATURE = 0.9
"""The slope must have fallen to this share of the initial one."""
_NARROW = 0.1
_LONGEST = 1e10


@dataclass
class Search:
    """Find a step that lowers f enough and flattens its slope (Moré & Thuente 1994, MINPACK-2's dcsrch and dcstep).

    Parameters
    ----------
    f0, g0 : value and slope at 0; g0 < 0.
    step : first trial.

    Examples
    --------
    >>> search = Search(1.0, -2.0, step=0.1)  # (1 − t)²
    >>> trial, tries = 0.1, 0
    >>> while not search.done and tries < 20:
    ...     trial, tries = search.next((1 - trial) ** 2, -2 * (1 - trial)), tries + 1
    >>> abs(2 * (1 - trial)) <= CURVATURE * 2
    True
    """

    f0: float
    g0: float
    step: float

    def __post_init__(self) -> None:
        self.done = False
        self._bracketed = False
        self._first_stage = True
        self._x, self._fx, self._gx = 0.0, self.f0, self.g0
        self._y, self._fy, self._gy = 0.0, self.f0, self.g0
        self._low, self._high = 0.0, 5.0 * self.step
        self._width, self._width_before = _LONGEST, 2.0 * _LONGEST

    def next(self, f: float, g: float) -> float:
        """Take value and slope at the trial step; return the next trial, or the same when the search is done."""
        step, floor = self.step, self.f0 + self.step * DECREASE * self.g0
        if self._first_stage and f <= floor and g >= 0.0:
            self._first_stage = False
        stuck = self._bracketed and (
            step <= self._low or step >= self._high or self._high - self._low <= _NARROW * self._high
        )
        if (
            stuck
            or (f <= floor and abs(g) <= CURVATURE * -self.g0)
            or (step == _LONGEST and f <= floor and g <= DECREASE * self.g0)
        ):
            self.done = True
            return step
        if self._first_stage and f <= self._fx and f > floor:
            # the search works on f less its wanted decrease until it has found a bracket
            tilt = DECREASE * self.g0
            self._fx -= self._x * tilt
            self._fy -= self._y * tilt
            self._gx -= tilt
            self._gy -= tilt
            trial = self._interpolate(step, f - step * tilt, g - tilt)
            self._fx += self._x * tilt
            self._fy += self._y * tilt
            self._gx += tilt
            self._gy += tilt
        else:
            trial = self._interpolate(step, f, g)
        if self._bracketed:
            if abs(self._y - self._x) >= 0.66 * self._width_before:
                trial = self._x + 0.5 * (self._y - self._x)
            self._width_before, self._width = self._width, abs(self._y - self._x)
            self._low, self._high = min(self._x, self._y), max(self._x, self._y)
        else:
            self._low, self._high = trial + 1.1 * (trial - self._x), trial + 4.0 * (trial - self._x)
        trial = min(max(trial, 0.0), _LONGEST)
        if self._bracketed and (
            trial <= self._low or trial >= self._high or self._high - self._low <= _NARROW * self._high
        ):
            trial = self._x
        self.step = trial
        return trial

    def _interpolate(self, step: float, f: float, g: float) -> float:
        """Return a safeguarded cubic or quadratic step and update the interval that holds the minimum."""
        x, y = self._x, self._y
        opposite = g * self._gx < 0.0
        if f > self._fx:
            cubic = x + _cubic(x, self._fx, self._gx, step, f, g) * (step - x)
            quadratic = x + (self._gx / ((self._fx - f) / (step - x) + self._gx)) / 2.0 * (step - x)
            trial = cubic if abs(cubic - x) < abs(quadratic - x) else cubic + (quadratic - cubic) / 2.0
            self._bracketed = True
        elif opposite:
            cubic = step + _cubic(step, f, g, x, self._fx, self._gx) * (x - step)
            secant = step + g / (g - self._gx) * (x - step)
            trial = cubic if abs(cubic - step) > abs(secant - step) else secant
            self._bracketed = True
        elif abs(g) < abs(self._gx):
            cubic = self._high if step > x else self._low
            share = _towards(step, f, g, x, self._fx, self._gx)
            if share is not None:
                cubic = step + share * (x - step)
            secant = step + g / (g - self._gx) * (x - step)
            nearer = abs(cubic - step) < abs(secant - step)
            if self._bracketed:
                trial = cubic if nearer else secant
                edge = step + 0.66 * (y - step)
                trial = min(edge, trial) if step > x else max(edge, trial)
            else:
                trial = secant if nearer else cubic
                trial = max(self._low, min(self._high, trial))
        elif self._bracketed:
            trial = step + _cubic(step, f, g, y, self._fy, self._gy) * (y - step)
        else:
            trial = self._high if step > x else self._low
        if f > self._fx:
            self._y, self._fy, self._gy = step, f, g
        else:
            if opposite:
                self._y, self._fy, self._gy = x, self._fx, self._gx
            self._x, self._fx, self._gx = step, f, g
        return trial


def _root(a: float, fa: float, ga: float, b: float, fb: float, gb: float) -> tuple[float, float, bool]:
    """Return θ and the (signed) γ of the cubic through two values and slopes, and whether it has a minimum."""
    theta = 3.0 * (fa - fb) / (b - a) + ga + gb
    scale = max(abs(theta), abs(ga), abs(gb))
    inside = (theta / scale) ** 2 - (ga / scale) * (gb / scale)
    gamma = scale * max(0.0, inside) ** 0.5
    return theta, gamma if b > a else -gamma, inside > 0.0


def _cubic(a: float, fa: float, ga: float, b: float, fb: float, gb: float) -> float:
    """Return where, as a share of the way from a to b, the cubic through both has its minimum."""
    theta, gamma, _ = _root(a, fa, ga, b, fb, gb)
    return (gamma - ga + theta) / (gamma - ga + gamma + gb)


def _towards(a: float, fa: float, ga: float, b: float, fb: float, gb: float) -> float | None:
    """Return the same for slopes of one sign, or None when the cubic falls for ever that way."""
    theta, gamma, has_minimum = _root(a, fa, ga, b, fb, gb)
    share = (gamma - ga + theta) / (gamma + (gb - ga) + gamma)
    return share if share < 0.0 and has_minimum else None
