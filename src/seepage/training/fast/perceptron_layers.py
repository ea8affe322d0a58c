"""The layers of many small networks at once: forward, error and backward passes in buffers that are used again.

A layer of k networks is one array (k, inputs + 1, outputs) whose last row is the intercept, and rows of data end in a
one; so no pass adds intercepts or sums their gradients. What lies between layers is (k, units + 1, b), a record a
column, because elementwise work is fastest along a long last axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "Net", "Passes"]

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")

Layers = list[NDArray[Any]]


@dataclass(frozen=True)
class Net:
    """The form of a network.

    Parameters
    ----------
    units : inputs, hidden units of every layer, outputs.
    activation : of the hidden layers, one of `ACTIVATIONS`.
    output : "softmax", "logistic" (two classes) or "identity" (regression).

    Examples
    --------
    >>> Net((30, 32, 1), "relu", "logistic").size
    1025
    """

    units: tuple[int, ...]
    activation: str
    output: str

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of every layer."""
        return tuple(zip(self.units[:-1], self.units[1:], strict=True))

    @property
    def size(self) -> int:
        """P, the numbers to be learnt."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.sizes)

    def views(self, flat: NDArray[Any]) -> Layers:
        """Return the layers (k, inputs + 1, outputs) inside a (k, P) array."""
        layers, start = [], 0
        for inputs, outputs in self.sizes:
            end = start + (inputs + 1) * outputs
            layers.append(flat[:, start:end].reshape(len(flat), inputs + 1, outputs))
            start = end
        return layers

    def penalised(self) -> NDArray[np.float64]:
        """Return (P,) ones for weights and zeros for intercepts."""
        mask = np.ones((1, self.size))
        for layer in self.views(mask):
            layer[:, -1] = 0.0
        flat: NDArray[np.float64] = mask[0]
        return flat

    def drawn(self, random: np.random.RandomState) -> NDArray[np.float64]:
        """Return (P,) first numbers, drawn in scikit-learn's order: a layer's weights, then its intercepts."""
        factor = 2.0 if self.activation == "logistic" else 6.0
        parts = []
        for inputs, outputs in self.sizes:
            bound = np.sqrt(factor / (inputs + outputs))
            parts.append(random.uniform(-bound, bound, (inputs + 1) * outputs))
        return np.concatenate(parts)


class Passes:
    """Buffers for k networks and b records each.

    Parameters
    ----------
    net : the networks' form.
    k, b : networks, and records in one pass.
    dtype : float32 or float64.
    learns : whether there will be backward passes.
    """

    def __init__(self, net: Net, k: int, b: int, dtype: Any, *, learns: bool = True) -> None:
        self.net = net
        hidden = [(k, units + 1, b) for units in net.units[1:-1]]
        self.hidden = [np.ones(shape, dtype) for shape in hidden]
        self.out = np.empty((k, net.units[-1], b), dtype)
        self._zeros = [np.zeros((1, *shape[1:]), dtype) for shape in hidden]
        self._side = np.empty((k, 1, b), dtype)
        self._eps = float(np.finfo(dtype).eps)
        if learns:
            self.rows = np.empty((k, b, net.units[0] + 1), dtype)
            self._deltas = [np.empty(shape, dtype) for shape in hidden]
            self._positive = [np.empty(shape, bool) for shape in hidden]
            self._squares = [np.empty(shape, dtype) for shape in hidden if net.activation == "logistic"]
            # where the score of class c of record j of network i lies in the flat outputs: first + c · b
            self._first = np.arange(k)[:, None] * (net.units[-1] * b) + np.arange(b)

    def forward(self, layers: Layers, rows: NDArray[Any]) -> NDArray[Any]:
        """Return (k, outputs, b) answers to (k or 1, inputs + 1, b) rows; they lie in a buffer used again."""
        below = rows
        for layer, hidden, zeros in zip(layers, self.hidden, self._zeros, strict=False):
            np.matmul(layer.transpose(0, 2, 1), below, out=hidden[:, :-1])
            if self.net.activation == "relu":
                # against an array, not a scalar: only that way numpy uses vector instructions; the ones stay ones
                np.maximum(hidden, zeros, out=hidden)
            elif self.net.activation == "tanh":
                np.tanh(hidden[:, :-1], out=hidden[:, :-1])
            elif self.net.activation == "logistic":
                _logistic(hidden[:, :-1])
            below = hidden
        np.matmul(layers[-1].transpose(0, 2, 1), below, out=self.out)
        if self.net.output == "logistic":
            _logistic(self.out)
        elif self.net.output == "softmax":
            out, side = self.out, self._side
            np.max(out, axis=1, keepdims=True, out=side)
            np.subtract(out, side, out=out)
            np.exp(out, out=out)
            np.sum(out, axis=1, keepdims=True, out=side)
            np.divide(out, side, out=out)
        return self.out

    def error(
        self, truth: NDArray[Any], weight: float | NDArray[Any], valid: NDArray[Any] | None, *, with_loss: bool
    ) -> NDArray[Any] | None:
        """Turn the answers into the gradient of the loss before the output function, and return the loss if wanted.

        Parameters
        ----------
        truth : (k, b) class numbers (softmax), zeros and ones (logistic) or outcomes (identity).
        weight : one over the number of records, for all alike or (k, 1, b); 0 for a record that is padding.
        valid : (k, 1, b) ones, and zeros for padding; None if there is none.

        Returns
        -------
        (k,) sum of the records' losses, or None.
        """
        out = self.out
        loss = None
        if self.net.output == "softmax":
            flat, at = out.reshape(-1), self._first + truth * out.shape[2]
            right = flat[at]
            if with_loss:
                loss = -np.log(np.clip(right, self._eps, 1 - self._eps))[:, None]
            flat[at] = right - 1
        else:
            truth = truth[:, None]
            if with_loss and self.net.output == "logistic":
                clipped = np.clip(out, self._eps, 1 - self._eps)
                loss = -np.log(np.where(truth > 0, clipped, 1 - clipped))
            np.subtract(out, truth, out=out)
            if with_loss and self.net.output == "identity":
                loss = 0.5 * out * out
        np.multiply(out, weight, out=out)
        if loss is None:
            return None
        total: NDArray[Any] = (loss if valid is None else loss * valid).sum(axis=(1, 2))
        return total

    def backward(self, layers: Layers, gradients: Layers, rows: NDArray[Any]) -> None:
        """Write the gradients of all layers, from the output's (see `error`) and what `forward` left behind."""
        delta = self.out
        for at in range(len(layers) - 1, -1, -1):
            below = self.hidden[at - 1] if at else rows
            np.matmul(below, delta.transpose(0, 2, 1), out=gradients[at])
            if at:
                lower = self._deltas[at - 1]
                # BLAS is slow at outer products; the last row, of the ones, is never read
                (np.multiply if delta.shape[1] == 1 else np.matmul)(layers[at], delta, out=lower)
                self._through(at - 1, lower)
                delta = lower[:, :-1]

    def _through(self, at: int, delta: NDArray[Any]) -> None:
        """Multiply by the slope of the hidden layer's activation function, which takes the layer's place."""
        hidden = self.hidden[at]
        if self.net.activation == "identity":
            return
        if self.net.activation == "relu":
            np.greater(hidden, 0.0, out=self._positive[at])
            np.copyto(hidden, self._positive[at])
        elif self.net.activation == "tanh":
            np.multiply(hidden, hidden, out=hidden)
            np.subtract(1.0, hidden, out=hidden)
        else:
            np.multiply(hidden, hidden, out=self._squares[at])
            np.subtract(hidden, self._squares[at], out=hidden)
        np.multiply(delta, hidden, out=delta)
        hidden[:, -1] = 1.0


def _logistic(values: NDArray[Any]) -> None:
    """1 / (1 + exp(−z)) in place; exp may overflow to infinity, which gives 0."""
    np.negative(values, out=values)
    np.exp(values, out=values)
    np.add(values, 1.0, out=values)
    np.divide(1.0, values, out=values)
