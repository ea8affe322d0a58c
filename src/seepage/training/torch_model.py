"""A module that a torch recipe has trained, with the labels its outputs stand for: it predicts as an estimator does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seepage.errors import RecipeError
from seepage.targets.rows import as_matrix

__all__ = ["TorchClassifier", "TorchRegressor", "one_thread", "outputs_of", "probabilities_of", "rows_for"]

_ROWS = 4096
"""Rows read at a time."""


@final
@dataclass(frozen=True, eq=False)
class TorchClassifier:
    """A trained module and the labels of its outputs.

    Parameters
    ----------
    module : from rows to logits, or to probabilities where it ends in a softmax or sigmoid.
    classes_ : (C,) sorted labels; outputs beyond them are ignored.
    """

    module: nn.Module
    classes_: NDArray[Any]

    _estimator_type = "classifier"

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, C) probabilities."""
        raw = outputs_of(self.module, rows_for(self.module, x))
        return probabilities_of(raw.double(), len(self.classes_), last_layer(self.module)).cpu().numpy()

    def predict(self, x: Any) -> NDArray[Any]:
        """Return (n,) labels."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(x).argmax(axis=1)]
        return labels


@final
@dataclass(frozen=True, eq=False)
class TorchRegressor:
    """A trained module with one output a row."""

    module: nn.Module

    _estimator_type = "regressor"

    def predict(self, x: Any) -> NDArray[np.float64]:
        """Return (n,) predictions."""
        return outputs_of(self.module, rows_for(self.module, x)).reshape(-1).double().cpu().numpy()


def last_layer(module: nn.Module) -> str:
    """Return "softmax" or "sigmoid" where a Sequential ends in one, else ""."""
    while type(module) is nn.Sequential and len(module):
        module = module[-1]
    return {nn.Softmax: "softmax", nn.Sigmoid: "sigmoid"}.get(type(module), "")


def probabilities_of(raw: Tensor, n_classes: int, last: str = "", *, axis: int = -1) -> Tensor:
    """Turn outputs into probabilities; along `axis` outputs count 1 or at least n_classes, probabilities n_classes.

    Examples
    --------
    >>> probabilities_of(torch.tensor([[0.0]]), 2).tolist()
    [[0.5, 0.5]]
    """
    if raw.shape[axis] == 1:
        one = raw if last == "sigmoid" else raw.sigmoid()
        other = 1 - raw if last == "sigmoid" else (-raw).sigmoid()
        return torch.cat([other, one], dim=axis)
    raw = raw.narrow(axis, 0, n_classes)
    return raw / raw.sum(dim=axis, keepdim=True) if last else raw.softmax(dim=axis)


def rows_for(module: nn.Module, x: Any) -> Tensor:
    """Return the rows (n, …) as the module takes them: integers where it starts with an embedding, else
    floating numbers of its parameters' precision.

    Raises
    ------
    InputError
        If a column is not numeric.
    """
    values = x if isinstance(x, Tensor) else torch.as_tensor(np.ascontiguousarray(as_matrix(x, what="a torch recipe")))
    return values.to(_rows_dtype(module))


def _rows_dtype(module: nn.Module) -> torch.dtype:
    for part in module.modules():
        own = next(part.parameters(recurse=False), None)
        if own is not None:
            embeds = isinstance(part, (nn.Embedding, nn.EmbeddingBag))
            return torch.long if embeds else own.dtype
    return torch.float32


def outputs_of(module: nn.Module, rows: Tensor) -> Tensor:
    """Return the module's outputs on (n, …) rows, in evaluation mode, without gradients and in float32.

    Raises
    ------
    RecipeError
        If it does not return one tensor.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    training = module.training
    module.eval()
    try:
        with one_thread(), torch.no_grad():
            parts = [as_outputs(module(rows[i : i + _ROWS].to(device))) for i in range(0, max(len(rows), 1), _ROWS)]
    finally:
        module.train(training)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def as_outputs(answer: Any) -> Tensor:
    """Return the tensor in a module's answer: itself, or its `logits`."""
    answer = getattr(answer, "logits", answer)
    if not isinstance(answer, Tensor):
        raise RecipeError(f"the module answers a {type(answer).__name__}; one tensor of outputs is due.")
    return answer


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread on the CPU while the context lasts; models are trained side by side."""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)
