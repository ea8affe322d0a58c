"""Many perceptrons of one shape side by side: batched matrix products, with the backward pass written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

__all__ = ["Batch", "Dropout", "Linear", "StackedPerceptrons", "Step", "plan_of"]

_aten = torch.ops.aten


class Activation(NamedTuple):
    """An elementwise layer: its value, and the gradient from (gradient, input, value)."""

    value: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]


class Linear(NamedTuple):
    """A linear layer by its number among the linear layers."""

    number: int
    has_bias: bool


class Dropout(NamedTuple):
    """A dropout layer with the share that is dropped."""

    share: float


Step = Activation | Linear | Dropout


class Batch(NamedTuple):
    """One step of k models: rows (k, b, …), targets (k, b), and how many of the b rows are each model's.

    `weight` (k, b) is 1 / size on a model's rows and 0 on what fills up; None where all b rows count in every model.
    """

    x: Tensor
    y: Tensor
    sizes: Sequence[int]
    weight: Tensor | None


def plan_of(module: nn.Module) -> list[Step] | None:
    """Return the layers of a perceptron, or None where the module is anything else.

    Parameters
    ----------
    module : taken when it is a Sequential, nested or not, of Linear, Flatten at the front, Dropout, Identity and the
        activations known here, exactly of these types, every parameter float32, trained, and used once.
    """
    layers = _flat(module)
    if layers is None:
        return None
    steps: list[Step] = []
    linear: list[nn.Linear] = []
    for at, layer in enumerate(layers):
        kind = type(layer)
        if _is_hooked(layer):
            return None
        if kind is nn.Linear:
            linear.append(layer)
            steps.append(Linear(len(linear) - 1, layer.bias is not None))
        elif kind is nn.Dropout:
            if layer.p > 0:
                steps.append(Dropout(float(layer.p)))
        elif kind is nn.Flatten:
            if at or (layer.start_dim, layer.end_dim) != (1, -1):
                return None
        elif kind is not nn.Identity:
            activation = _activation(layer)
            if activation is None:
                return None
            steps.append(activation)
    if not linear or any(p.dtype != torch.float32 or not p.requires_grad for p in module.parameters()):
        return None
    once = sum(1 + (layer.bias is not None) for layer in linear)
    return steps if len({id(p) for p in module.parameters()}) == once else None


def _flat(module: nn.Module) -> list[Any] | None:
    if type(module) is not nn.Sequential:
        return [module] if type(module) is nn.Linear else None
    if _is_hooked(module):
        return None
    layers: list[Any] = []
    for child in module:
        inner = _flat(child) if type(child) is nn.Sequential else [child]
        if inner is None:
            return None
        layers += inner
    return layers


def _is_hooked(layer: nn.Module) -> bool:
    """Return whether something runs around the layer: hooks, a forward of its own, a parametrisation."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(layer, name, None) for name in hooks) or "forward" in vars(layer)


def _activation(layer: nn.Module) -> Activation | None:
    if type(layer) is nn.ReLU:
        return Activation(torch.relu, lambda g, _, value: _aten.threshold_backward(g, value, 0))
    if type(layer) is nn.Tanh:
        return Activation(torch.tanh, lambda g, _, value: _aten.tanh_backward(g, value))
    if type(layer) is nn.Sigmoid:
        return Activation(torch.sigmoid, lambda g, _, value: _aten.sigmoid_backward(g, value))
    if type(layer) is nn.SiLU:
        return Activation(nn.functional.silu, lambda g, given, _: _aten.silu_backward(g, given))
    if type(layer) is nn.LeakyReLU:
        slope = float(layer.negative_slope)
        return Activation(
            lambda given: nn.functional.leaky_relu(given, slope),
            lambda g, given, _: _aten.leaky_relu_backward(g, given, slope, False),
        )
    if type(layer) is nn.GELU:
        how = layer.approximate
        return Activation(
            lambda given: nn.functional.gelu(given, approximate=how),
            lambda g, given, _: _aten.gelu_backward(g, given, approximate=how),
        )
    return None


@final
class StackedPerceptrons:
    """The weights of k perceptrons in one flat tensor, and their gradients in another.

    Activations are laid out (k, width, rows): a softmax over few classes then runs along the rows, twenty times
    faster, and no product has a transposed left side.

    Parameters
    ----------
    modules : k untrained modules of one plan.
    plan : see `plan_of`.
    device : where to compute.
    dropout : k generators that draw each model's dropout, in the order a model alone would draw it.
    n_classes : 0 for regression.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        plan: Sequence[Step],
        device: torch.device,
        dropout: Sequence[torch.Generator],
        n_classes: int,
    ) -> None:
        k = len(modules)
        first = [tuple(p.shape) for p in modules[0].parameters()]
        sizes = [k * _count(shape) for shape in first]
        self.flat = torch.empty(sum(sizes), device=device)
        self.flat.grad = torch.zeros_like(self.flat)
        own = [list(module.parameters()) for module in modules]
        values, slopes = [], []
        for number, (shape, value, slope) in enumerate(
            zip(first, torch.split(self.flat, sizes), torch.split(self.flat.grad, sizes), strict=True)
        ):
            # a bias is a column, which adds to every row of a batch
            stacked = (k, *shape) if len(shape) == 2 else (k, *shape, 1)
            values.append(value.view(stacked))
            slopes.append(slope.view(stacked))
            values[-1].copy_(torch.stack([p[number].detach() for p in own]).view(stacked))
        self._linear: list[tuple[Tensor, Tensor | None, Tensor, Tensor | None]] = []
        at = 0
        for step in plan:
            if isinstance(step, Linear):
                bias = (values[at + 1], slopes[at + 1]) if step.has_bias else (None, None)
                self._linear.append((values[at], bias[0], slopes[at], bias[1]))
                at += 1 + step.has_bias
        self._plan = plan
        self._dropout = dropout
        self._k = k
        self._n_classes = n_classes
        self._minus_one = torch.full((1, 1, 1), -1.0, device=device)
        self._room: dict[tuple[Any, ...], Tensor] = {}

    @property
    def parameters(self) -> list[Tensor]:
        """What the optimizer works on: one tensor, whose `grad` `differentiate` fills."""
        return [self.flat]

    def parts(self) -> list[Tensor]:
        """Return every parameter as a view with the models first."""
        return [part for value, bias, _, _ in self._linear for part in (value, bias) if part is not None]

    def differentiate(self, batch: Batch) -> None:
        """Set the gradient of each model's mean loss over its batch."""
        x = batch.x.flatten(2).mT
        kept: list[tuple[Tensor, Tensor]] = []
        for at, step in enumerate(self._plan):
            before = x
            if isinstance(step, Linear):
                x = self._product(before, step, ("forward", at))
                kept.append((before, before))
            elif isinstance(step, Activation):
                x = step.value(before)
                kept.append((before, x))
            else:
                drawn = self._drawn(step.share, before, batch.sizes)
                x = before * drawn
                kept.append((drawn, drawn))
        gradient = self._slope(x, batch)
        for at in range(len(self._plan) - 1, -1, -1):
            step, (given, value) = self._plan[at], kept[at]
            if isinstance(step, Activation):
                gradient = step.gradient(gradient, given, value)
            elif isinstance(step, Dropout):
                gradient = gradient * given
            else:
                weight, _, weight_slope, bias_slope = self._linear[step.number]
                torch.bmm(gradient, given.mT, out=weight_slope)
                if bias_slope is not None:
                    torch.sum(gradient, 2, keepdim=True, out=bias_slope)
                if step.number == 0:
                    return
                gradient = torch.bmm(weight.mT, gradient, out=self._buffer(("back", at), given.shape))

    def outputs(self, x: Tensor, *, own: bool) -> Tensor:
        """Return (k, w, b) outputs in evaluation mode on (b, …) rows, or on each model's own (k, b, …)."""
        x = x.flatten(2).mT if own else x.flatten(1).mT.expand(self._k, -1, -1)
        for step in self._plan:
            if isinstance(step, Linear):
                x = self._product(x, step, None)
            elif isinstance(step, Activation):
                x = step.value(x)
        return x

    def _slope(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the slope of the mean loss at the outputs (k, w, b)."""
        width, n_classes = outputs.shape[1], self._n_classes
        targets = batch.y[:, None]
        if n_classes == 0:
            slope = (outputs - targets).mul_(2.0)
        elif width == 1:
            slope = torch.sigmoid(outputs).sub_(targets)
        else:
            slope = torch.softmax(outputs[:, :n_classes], 1)
            slope.scatter_add_(1, targets, self._minus_one.expand(targets.shape))
        slope = slope.mul_(1.0 / outputs.shape[2]) if batch.weight is None else slope.mul_(batch.weight[:, None])
        return slope if width in (1, n_classes) else nn.functional.pad(slope, (0, 0, 0, width - n_classes))

    def _product(self, x: Tensor, step: Linear, name: tuple[Any, ...] | None) -> Tensor:
        weight, bias, _, _ = self._linear[step.number]
        shape = (self._k, weight.shape[1], x.shape[2])
        out = torch.empty(shape, device=x.device) if name is None else self._buffer(name, shape)
        return torch.bmm(weight, x, out=out) if bias is None else torch.baddbmm(bias, weight, x, out=out)

    def _buffer(self, name: tuple[Any, ...], shape: Sequence[int]) -> Tensor:
        """Return memory that is written anew in every step; taking it from the system each time costs more."""
        key = (*name, *shape)
        if key not in self._room:
            self._room[key] = torch.empty(tuple(shape), device=self.flat.device)
        return self._room[key]

    def _drawn(self, share: float, like: Tensor, sizes: Sequence[int]) -> Tensor:
        keep = 1.0 - share
        if self.flat.device.type != "cpu":
            return torch.empty_like(like).bernoulli_(keep).div_(keep) if keep else torch.zeros_like(like)
        drawn = torch.zeros((self._k, like.shape[2], like.shape[1]))
        for model, (size, generator) in enumerate(zip(sizes, self._dropout, strict=True)):
            drawn[model, :size].bernoulli_(keep, generator=generator)
        return drawn.mT.div_(keep) if keep else drawn.mT


def _count(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
