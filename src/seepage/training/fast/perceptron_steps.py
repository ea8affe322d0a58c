"""The steps of Adam and of gradient descent with momentum, for many networks in one flat array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Adam", "Descent", "Momentum", "Rule"]


@dataclass(frozen=True)
class Rule:
    """How weights follow gradients; names and meaning are scikit-learn's.

    Parameters
    ----------
    solver : "adam" or "sgd".
    rate : learning rate at the beginning.
    schedule : "constant", "invscaling" or "adaptive"; Adam takes no notice of it.
    """

    solver: str
    rate: float
    schedule: str
    power_t: float
    momentum: float
    nesterov: bool
    beta_1: float
    beta_2: float
    epsilon: float

    @property
    def adapts(self) -> bool:
        """Whether the rate is lowered where training would otherwise stop."""
        return self.solver == "sgd" and self.schedule == "adaptive"

    def start(self, weights: NDArray[Any]) -> Descent:
        """Return the state of k networks, all zeros."""
        return Adam(self, weights) if self.solver == "adam" else Momentum(self, weights)


class Descent(ABC):
    """The state that the networks' weights are changed by; `rates` (k,) are the learning rates."""

    def __init__(self, rule: Rule, weights: NDArray[Any]) -> None:
        self.rule = rule
        self.rates = np.full(len(weights), float(rule.rate))
        self._state = [np.zeros_like(weights) for _ in range(2 if rule.solver == "adam" else 1)]
        self._spare = np.empty_like(weights)

    def keep(self, models: NDArray[np.intp]) -> None:
        """Go on with some of the networks."""
        self.rates = self.rates[models]
        self._state = [values[models] for values in self._state]
        self._spare = np.empty_like(self._state[0])

    def epoch_ended(self, seen: NDArray[np.intp]) -> None:
        """Lower the rates where they follow the (k,) records seen so far."""
        if self.rule.solver == "sgd" and self.rule.schedule == "invscaling":
            self.rates = float(self.rule.rate) / (seen + 1) ** self.rule.power_t

    def step(self, weights: NDArray[Any], gradients: NDArray[Any], decay: NDArray[Any] | None) -> None:
        """Change (k, P) weights in place; `gradients` are overwritten.

        Parameters
        ----------
        decay : (P,) or (k, P), what is added to the gradient for each unit of weight; None for nothing.
        """
        if decay is not None:
            np.multiply(weights, decay, out=self._spare)
            np.add(gradients, self._spare, out=gradients)
        self._move(weights, gradients)

    @abstractmethod
    def _move(self, w: NDArray[Any], g: NDArray[Any]) -> None:
        """Change the weights by the whole gradients."""


class Adam(Descent):
    """Kingma & Ba 2014, algorithm 1, in the form of its section 2; the means are kept over (1 − β) to save work."""

    _steps = 0

    def _move(self, w: NDArray[Any], g: NDArray[Any]) -> None:
        rule, spare = self.rule, self._spare
        mean, square = self._state
        self._steps += 1
        rate = rule.rate * np.sqrt(1 - rule.beta_2**self._steps) / (1 - rule.beta_1**self._steps)
        whole = np.sqrt(1 - rule.beta_2)
        np.multiply(mean, rule.beta_1, out=mean)
        np.add(mean, g, out=mean)
        np.multiply(g, g, out=g)
        np.multiply(square, rule.beta_2, out=square)
        np.add(square, g, out=square)
        np.sqrt(square, out=spare)
        np.add(spare, float(rule.epsilon / whole), out=spare)
        np.divide(mean, spare, out=spare)
        np.multiply(spare, float(rate * (1 - rule.beta_1) / whole), out=spare)
        np.subtract(w, spare, out=w)


class Momentum(Descent):
    """Gradient descent with (Nesterov's) momentum."""

    def _move(self, w: NDArray[Any], g: NDArray[Any]) -> None:
        spare = self._spare
        (velocity,) = self._state
        alike = bool((self.rates == self.rates[0]).all())
        np.multiply(g, float(self.rates[0]) if alike else self.rates[:, None].astype(w.dtype), out=g)
        np.multiply(velocity, self.rule.momentum, out=velocity)
        np.subtract(velocity, g, out=velocity)
        if self.rule.nesterov:
            np.multiply(velocity, self.rule.momentum, out=spare)
            np.subtract(spare, g, out=spare)
            np.add(w, spare, out=w)
        else:
            np.add(w, velocity, out=w)
