"""Many torch modules of any one kind side by side, through `torch.func`: vmap over the gradient of one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from seepage.training.fast.torch_mlp import Batch
from seepage.training.torch_loop import autocast, checked_outputs, row_losses
from seepage.training.torch_recipe import TorchRecipe

__all__ = ["StackedModules"]


@final
class StackedModules:
    """k modules of one class whose parameters are stacked, each model's gradient computed from its own batch.

    Parameters
    ----------
    modules : k untrained modules.
    recipe : says the precision.
    device : where to compute.
    n_classes : 0 for regression.
    """

    def __init__(self, modules: Sequence[nn.Module], recipe: TorchRecipe, device: torch.device, n_classes: int) -> None:
        stacked, buffers = stack_module_state([module.to(device) for module in modules])
        trained = {name for name, p in modules[0].named_parameters() if p.requires_grad}
        self._trained = {name: value.detach() for name, value in stacked.items() if name in trained}
        self._fixed = {name: value.detach() for name, value in stacked.items() if name not in trained} | buffers
        # the skeleton lends its forward and its mode only
        self._skeleton = copy.deepcopy(modules[0]).to("meta").train()
        self._reading = copy.deepcopy(modules[0]).to("meta").eval()
        self._recipe = recipe
        self._n_classes = n_classes

        def loss(trained: dict[str, Tensor], fixed: dict[str, Tensor], x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
            answer = functional_call(self._skeleton, {**trained, **fixed}, (x,))
            outputs = checked_outputs(answer, x.shape[0], n_classes).float()
            return (row_losses(outputs, y, n_classes) * weight).sum()

        def read(trained: dict[str, Tensor], fixed: dict[str, Tensor], x: Tensor) -> Tensor:
            outputs = checked_outputs(functional_call(self._reading, {**trained, **fixed}, (x,)), len(x), n_classes)
            return outputs[:, None] if n_classes == 0 else outputs

        self._slopes = vmap(grad(loss), in_dims=(0, 0, 0, 0, 0), randomness="different")
        self._read = {False: vmap(read, in_dims=(0, 0, None)), True: vmap(read, in_dims=(0, 0, 0))}

    @property
    def parameters(self) -> list[Tensor]:
        """What the optimizer works on; `differentiate` fills each one's `grad`."""
        return list(self._trained.values())

    def parts(self) -> list[Tensor]:
        """Return every trained parameter, models first."""
        return list(self._trained.values())

    def differentiate(self, batch: Batch) -> None:
        """Set the gradient of each model's mean loss over its batch."""
        weight = batch.weight
        if weight is None:
            weight = torch.full(batch.y.shape, 1.0 / batch.y.shape[1], device=batch.y.device)
        with autocast(self._recipe, batch.y.device):
            slopes = self._slopes(self._trained, self._fixed, batch.x, batch.y, weight)
        for name, value in self._trained.items():
            value.grad = slopes[name]

    def outputs(self, x: Tensor, *, own: bool) -> Tensor:
        """Return (k, w, b) outputs in evaluation mode on (b, …) rows, or on each model's own (k, b, …)."""
        answer: Tensor = self._read[own](self._trained, self._fixed, x)
        return answer.mT
