"""The steps of stacked training: each model's own shuffles, batches of all models, and stopping early by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seepage.training.fast.torch_mlp import Batch, StackedPerceptrons
from seepage.training.fast.torch_vmap import StackedModules
from seepage.training.torch_loop import row_losses, split
from seepage.training.torch_recipe import TorchRecipe

__all__ = ["Shuffle", "Stopping", "batches"]

_GATHER_MIB = 4.0
"""Rows of several batches are fetched in one go as long as they fit into about this much."""


@dataclass(frozen=True)
class Shuffle:
    """One model's rows to train and to validate on, as row numbers of the table, and its own shuffling."""

    train: Tensor
    held: Tensor
    generator: torch.Generator
    place: Tensor

    @classmethod
    def of(cls, recipe: TorchRecipe, members: NDArray[np.bool_], seed: int) -> Shuffle:
        """Return the shuffling of the model with these members and this seed, as the plain loop has it."""
        rows = torch.as_tensor(np.flatnonzero(members))
        train, held, generator = split(recipe, len(rows), seed)
        return cls(rows[train], rows[held], generator, torch.empty(len(train), dtype=torch.long))


def batches(order: Tensor, sizes: Sequence[int], size: int, x: Tensor, y: Tensor) -> Iterator[Batch]:
    """Cut an epoch into steps, fetching the rows of several at once.

    Parameters
    ----------
    order : (k, n) row numbers, each model's own order, filled up with any.
    sizes : (k,) how many of them are the model's.
    size : rows a batch.
    """
    k, longest = order.shape
    whole = min(sizes) // size * size
    span = size * max(1, int(_GATHER_MIB * 2**20 / (4 * k * size * max(int(x[0].numel()), 1))))
    for first in range(0, longest, span):
        rows = order[:, first : first + span]
        flat = rows.reshape(-1)
        xs = x.index_select(0, flat).view(k, rows.shape[1], *x.shape[1:])
        ys = y.index_select(0, flat).view(rows.shape)
        for start in range(0, rows.shape[1], size):
            at = slice(start, start + size)
            if first + start < whole:
                yield Batch(xs[:, at], ys[:, at], [size] * k, None)
                continue
            own = [min(size, n - first - start) for n in sizes]
            counts = torch.tensor(own, device=x.device)[:, None]
            inside = torch.arange(ys[:, at].shape[1], device=x.device) < counts
            yield Batch(xs[:, at], ys[:, at], own, inside / counts)


@final
class Stopping:
    """Early stopping of each model by itself: it keeps its best epoch's weights while the stack goes on."""

    def __init__(
        self,
        patience: int,
        shuffles: list[Shuffle],
        net: StackedPerceptrons | StackedModules,
        x: Tensor,
        y: Tensor,
        n_classes: int,
    ) -> None:
        k = len(shuffles)
        self._patience, self._net, self._n_classes = patience, net, n_classes
        sizes = torch.tensor([len(own.held) for own in shuffles])
        rows = torch.zeros((k, int(sizes.max())), dtype=torch.long)
        for i, own in enumerate(shuffles):
            rows[i, : len(own.held)] = own.held
        self._weight = ((torch.arange(rows.shape[1]) < sizes[:, None]) / sizes[:, None]).to(x.device)
        self._x, self._y = x[rows.to(x.device)], y[rows.to(x.device)]
        self._best = torch.full((k,), math.inf, device=x.device)
        self._waited = torch.zeros(k, dtype=torch.long, device=x.device)
        self._kept = [part.clone() for part in net.parts()]

    def is_over(self) -> bool:
        """Look at the validation rows after an epoch; return whether every model has stopped."""
        outputs = self._net.outputs(self._x, own=True)
        k, b = self._y.shape
        flat = outputs.reshape(k * b) if self._n_classes == 0 else outputs.mT.reshape(k * b, -1)
        losses = (row_losses(flat, self._y.reshape(-1), self._n_classes).view(k, b) * self._weight).sum(1)
        running = self._waited < self._patience
        better = running & (losses < self._best)
        self._best = torch.where(better, losses, self._best)
        self._waited = torch.where(better, 0, self._waited + running)
        for kept, part in zip(self._kept, self._net.parts(), strict=True):
            kept[better] = part[better]
        return not bool((self._waited < self._patience).any())

    def restore(self) -> None:
        """Give every model the weights of its best epoch."""
        for kept, part in zip(self._kept, self._net.parts(), strict=True):
            part.copy_(kept)
