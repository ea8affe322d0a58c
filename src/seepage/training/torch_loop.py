"""The plain training loop of a torch recipe, one model at a time, and what stacked training shares with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from seepage.errors import InputError, RecipeError
from seepage.training.torch_model import (
    TorchClassifier,
    TorchRegressor,
    as_outputs,
    last_layer,
    one_thread,
    outputs_of,
    rows_for,
)
from seepage.work import derive_seed

if TYPE_CHECKING:
    from seepage.training.torch_recipe import TorchRecipe

__all__ = [
    "autocast",
    "checked_outputs",
    "device_of",
    "fit_plainly",
    "fresh_module",
    "is_bf16",
    "optimizer_for",
    "own_random_state",
    "rate",
    "row_losses",
    "set_random_state",
    "split",
]


def device_of(recipe: TorchRecipe) -> torch.device:
    """Return where the models of a recipe are trained.

    Raises
    ------
    InputError
        If CUDA is asked for and there is none.
    """
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, and torch finds none here. Use device='auto' or 'cpu'.")
    if recipe.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def is_bf16(recipe: TorchRecipe, device: torch.device) -> bool:
    """Return whether the recipe computes in bf16 there.

    Raises
    ------
    InputError
        If it is asked for where it would only be emulated, several times slower than float32.
    """
    if recipe.precision == "float32":
        return False
    if device.type == "cuda":
        able = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        # torch names what the processor can do in these two functions only
        able = bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    if not able and recipe.precision == "bf16":
        raise InputError("precision 'bf16' would only be emulated on this hardware. Use precision='auto' or 'float32'.")
    return able


def autocast(recipe: TorchRecipe, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context that forward passes run in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16(recipe, device))


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Leave torch's random state, on the CPU and the device, as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def set_random_state(seed: int, device: torch.device) -> None:
    """Seed torch on the CPU and the device; `torch.manual_seed` notes a stack trace for each kind of device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def fresh_module(recipe: TorchRecipe, seed: int) -> nn.Module:
    """Make the untrained module of a seed; torch's random state is then the one that its dropout goes on with.

    Raises
    ------
    RecipeError
        If the factory makes no module, one with lazy layers, or one that gives probabilities where logits are due.
    """
    set_random_state(seed, device_of(recipe))
    module = recipe.module_factory()
    if not isinstance(module, nn.Module):
        raise RecipeError(
            f"module_factory made a {type(module).__name__}, and a torch.nn.Module is due. Does it end with return?"
        )
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in module.parameters()):
        raise RecipeError(
            f"{type(module).__name__} has lazy layers, whose widths are open. State them: nn.Linear(30, 8)."
        )
    last = last_layer(module)
    if last and recipe.loss == "cross-entropy":
        raise RecipeError(
            f"the module ends in a {last}, and loss 'cross-entropy' takes logits. Leave the {last} out: it is applied "
            "where probabilities are read."
        )
    return module


def checked_outputs(answer: Any, n: int, n_classes: int) -> Tensor:
    """Return a module's outputs (n, C or 1), for regression (n,), or say in what they do not fit.

    Parameters
    ----------
    answer : what the module returned for a batch of n rows.
    n_classes : classes in the outcomes; 0 for regression.

    Raises
    ------
    RecipeError
        If the shape does not fit the outcomes.
    """
    outputs = as_outputs(answer)
    shape = tuple(outputs.shape)
    if n_classes == 0:
        if shape not in ((n,), (n, 1)):
            raise RecipeError(f"the module answers shape {shape} for {n} rows; regression needs ({n},) or ({n}, 1).")
        return outputs.reshape(n)
    if len(shape) != 2 or shape[0] != n or not (shape[1] >= n_classes or (shape[1] == 1 and n_classes == 2)):
        raise RecipeError(
            f"the module answers shape {shape} for {n} rows, and the outcomes have {n_classes} classes. Its last layer "
            f"needs {n_classes} outputs" + (" or one." if n_classes == 2 else ".")
        )
    return outputs


def row_losses(outputs: Tensor, targets: Tensor, n_classes: int) -> Tensor:
    """Return each row's loss (n,): cross entropy (of one logit where there is one), or squared error for regression.

    Parameters
    ----------
    outputs : (n, C or 1), for regression (n,).
    targets : (n,) class numbers or outcomes.
    """
    if n_classes == 0:
        return functional.mse_loss(outputs, targets, reduction="none")
    if outputs.shape[-1] == 1:
        logits = outputs[:, 0]
        return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
    return functional.cross_entropy(outputs[:, :n_classes], targets, reduction="none")


def optimizer_for(recipe: TorchRecipe, parameters: list[Tensor], *, fused: bool) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; fused does the same arithmetic in one pass."""
    given: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if fused:
        given["fused"] = True
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, **given)
    return (torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam)(parameters, **given)


def rate(recipe: TorchRecipe, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 0.

    Raises
    ------
    RecipeError
        If a schedule function returns no finite number.
    """
    if recipe.schedule is None:
        return recipe.lr
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    if recipe.schedule == "linear":
        return recipe.lr * (1 - epoch / recipe.epochs)
    assert callable(recipe.schedule)
    factor = recipe.schedule(epoch)
    if not isinstance(factor, (int, float)) or not math.isfinite(factor):
        raise RecipeError(f"the schedule returned {factor!r} for epoch {epoch}; a finite factor is due.")
    return recipe.lr * factor


def split(recipe: TorchRecipe, n: int, seed: int) -> tuple[Tensor, Tensor, torch.Generator]:
    """Return the rows to train on, the rows to validate on, and the generator that shuffles the former."""
    shuffle = torch.Generator().manual_seed(derive_seed(seed, "batches"))
    if recipe.patience is None:
        return torch.arange(n), torch.arange(0), shuffle
    order = torch.randperm(n, generator=shuffle)
    held = min(max(1, round(recipe.validation_share * n)), n - 1)
    if n < 2:
        raise RecipeError("early stopping needs at least two records, one to train and one to validate on.")
    return order[held:], order[:held], shuffle


def fit_plainly(recipe: TorchRecipe, x: Any, y: NDArray[Any], seed: int) -> TorchClassifier | TorchRegressor:
    """Train one model on rows x and outcomes y; see `TorchRecipe.fit`."""
    device = device_of(recipe)
    classes: NDArray[Any] | None = None
    if recipe.is_regression:
        targets = torch.as_tensor(np.asarray(y, dtype=np.float32))
    else:
        classes, numbers = np.unique(y, return_inverse=True)
        targets = torch.as_tensor(numbers.reshape(-1).astype(np.int64))
        if len(classes) < 2:
            raise RecipeError(f"all {len(y)} records are of class {classes.tolist()[0]!r}; a classifier needs two.")
    with one_thread(), own_random_state(device):
        module = fresh_module(recipe, seed).to(device)
        rows = rows_for(module, x).to(device)
        _train(recipe, module, rows, targets.to(device), 0 if classes is None else len(classes), seed)
    return TorchRegressor(module) if classes is None else TorchClassifier(module, classes)


def _train(recipe: TorchRecipe, module: nn.Module, x: Tensor, y: Tensor, n_classes: int, seed: int) -> None:
    train, held, shuffle = split(recipe, len(x), seed)
    held = held.to(x.device)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        raise RecipeError(f"{type(module).__name__} has no parameters to train.")
    optimizer = optimizer_for(recipe, list(parameters), fused=False)
    loss_of = _loss(recipe, n_classes)
    least = 2 if uses_batch_statistics(module) else 1
    best, waited, kept = math.inf, 0, None
    module.train()
    for epoch in range(recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate(recipe, epoch)
        order = train[torch.randperm(len(train), generator=shuffle)].to(x.device)
        loss = torch.zeros(())
        for batch in torch.split(order, recipe.batch_size):
            if len(batch) < least:
                continue
            optimizer.zero_grad()
            with autocast(recipe, x.device):
                loss = loss_of(checked_outputs(module(x[batch]), len(batch), n_classes), y[batch])
            torch.autograd.backward(loss)
            optimizer.step()
        if not math.isfinite(loss.item()):
            raise RecipeError(
                f"the loss is {loss.item()} after epoch {epoch + 1}. Scale the features, or lower lr ({recipe.lr:g})."
            )
        if recipe.patience is None:
            continue
        with torch.no_grad():
            seen = loss_of(checked_outputs(outputs_of(module, x[held]), len(held), n_classes), y[held]).item()
        if seen < best:
            best, waited = seen, 0
            kept = {name: value.detach().clone() for name, value in module.state_dict().items()}
        else:
            waited += 1
            if waited >= recipe.patience:
                break
    if kept is not None:
        module.load_state_dict(kept)
    module.eval()


def _loss(recipe: TorchRecipe, n_classes: int) -> Callable[[Tensor, Tensor], Tensor]:
    if isinstance(recipe.loss, str):
        return lambda outputs, targets: row_losses(outputs.float(), targets, n_classes).mean()
    own = recipe.loss

    def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
        loss = own(outputs if outputs.ndim == 1 or outputs.shape[1] == 1 else outputs[:, :n_classes], targets)
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise RecipeError(f"the loss function returned {shape}; a scalar tensor, the batch's mean, is due.")
        return loss

    return loss_of


def uses_batch_statistics(module: nn.Module) -> bool:
    """Return whether a layer computes statistics over a batch, which one row alone does not have."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
