"""How a torch module is trained, said in settings: a recipe whose models can be trained in a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, final

import numpy as np

from seepage.errors import InputError, MissingExtra, RecipeError, did_you_mean
from seepage.records import Records
from seepage.spec import Task
from seepage.training.fingerprint import recipe_fingerprint

__all__ = ["TorchRecipe"]

_LOSSES = {"cross-entropy": Task.CLASSIFICATION, "mse": Task.REGRESSION}
_OPTIMIZERS = ("adam", "adamw", "sgd")
_SCHEDULES = ("cosine", "linear")
_DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = ("auto", "float32", "bf16")


@final
@dataclass(frozen=True)
class TorchRecipe:
    """Make a module, shuffle, take batches, step: the training loop that most torch models are made by.

    A model is a function of (records, seed): the module is made right after torch's random state was set to the
    seed, and batches come from a generator of their own. Torch's own random state is left as it was. Labels may be
    of any kind; outputs are logits in the order of the sorted labels of the records. A class that the records lack
    has no output: where a rare class is missing, the last outputs are left out of loss and probabilities.

    Parameters
    ----------
    module_factory : called without arguments; returns an untrained module from (n, …) float32 rows (integers where it
        starts with an embedding) to (n, C) logits, to (n, 1) for two classes, or to (n, 1) or (n,) for regression.
    loss : "cross-entropy", "mse", or a function (outputs, targets) → mean loss of a batch. Targets are class numbers
        (n,) int64, or outcomes (n,) float32; outputs of "mse" and of a function for regression are (n,).
    optimizer : "adam", "adamw" or "sgd".
    epochs, batch_size : passes over the records, and rows a step; the last batch is smaller.
    lr, weight_decay, momentum : as in `torch.optim`; momentum is for "sgd".
    schedule : what multiplies lr in each epoch e of E: None, "cosine" (½ + ½ cos(πe/E)), "linear" (1 − e/E), or a
        function of e.
    patience : stop after so many epochs without a smaller loss on the validation rows and take the best epoch's
        weights; None trains all epochs on all rows.
    validation_share : rows held out of training to stop early; unused without `patience`.
    device : "auto" takes CUDA where there is one.
    precision : "float32"; "bf16" computes under torch's autocast where hardware does bf16 itself (CUDA from Ampere,
        CPUs with AMX or AVX512-BF16) and is refused elsewhere; "auto" is bf16 there and float32 elsewhere. Take what
        the target was trained in: its shadow models have to be like it.
    task : needed with a loss function; otherwise it follows from the loss.

    Examples
    --------
    >>> import numpy as np, torch
    >>> def net():
    ...     return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> rows = Records(np.linspace(-1, 1, 20, dtype=np.float32)[:, None], np.repeat(["no", "yes"], 10))
    >>> recipe = TorchRecipe(net, epochs=60, batch_size=5, lr=0.05)
    >>> recipe.fit(rows, seed=0).predict([[-0.9], [0.9]]).tolist()
    ['no', 'yes']
    """

    module_factory: Callable[[], Any]
    loss: str | Callable[[Any, Any], Any] = "cross-entropy"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: str | Callable[[int], float] | None = None
    patience: int | None = None
    validation_share: float = 0.1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bf16"] = "float32"
    task: Task | str | None = None

    kind = "torch"

    def __post_init__(self) -> None:
        """Refuse at once what could only fail later, model by model."""
        if not callable(self.module_factory):
            raise InputError(
                f"module_factory must be a function that makes an untrained module (got "
                f"{type(self.module_factory).__name__}). Write lambda: MyModule(…)."
            )
        if any(c.__module__ == "torch.nn.modules.module" for c in type(self.module_factory).__mro__):
            raise InputError(
                f"module_factory is a {type(self.module_factory).__name__}, a module, and every model needs a fresh "
                "one. Give a function that makes it: lambda: MyModule(…)."
            )
        _one_of("loss", self.loss, tuple(_LOSSES), or_function=True)
        _one_of("optimizer", self.optimizer, _OPTIMIZERS)
        if self.schedule is not None:
            _one_of("schedule", self.schedule, _SCHEDULES, or_function=True)
        _one_of("device", self.device, _DEVICES)
        _one_of("precision", self.precision, _PRECISIONS)
        for name, value, least in (("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least} (got {value!r}).")
        if self.patience is not None and (isinstance(self.patience, bool) or not self.patience >= 1):
            raise InputError(f"patience must be at least 1 epoch, or None for no early stopping (got {self.patience}).")
        if not (np.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"lr must be a positive number (got {self.lr}).")
        for name, number in (("weight_decay", self.weight_decay), ("momentum", self.momentum)):
            if not (np.isfinite(number) and number >= 0):
                raise InputError(f"{name} must not be negative (got {number}).")
        if self.momentum and self.optimizer != "sgd":
            raise InputError(f"momentum belongs to optimizer 'sgd', and the optimizer is {self.optimizer!r}.")
        if not 0 < self.validation_share < 1:
            raise InputError(f"validation_share must lie between 0 and 1 (got {self.validation_share}).")
        object.__setattr__(self, "task", self._settled_task())

    def _settled_task(self) -> Task:
        due = _LOSSES[self.loss] if isinstance(self.loss, str) else None
        if self.task is None:
            if due is None:
                raise InputError("a loss function does not tell the task: say task='classification' or 'regression'.")
            return due
        known = [Task.CLASSIFICATION, Task.REGRESSION]
        given = next((t for t in known if self.task in (t, t.value)), None)
        if given is None:
            raise InputError(f"unknown task {self.task!r}. Known: {', '.join(t.value for t in known)}.")
        if due is not None and given is not due:
            raise InputError(f"loss {self.loss!r} is for {due.value}, and task={given.value!r} was given.")
        return given

    @property
    def is_regression(self) -> bool:
        """Whether outcomes are numbers."""
        return self.task is Task.REGRESSION

    @property
    def name(self) -> str:
        """What the factory is called."""
        inner = getattr(self.module_factory, "func", self.module_factory)
        called = str(getattr(inner, "__name__", type(inner).__name__))
        return "torch" if called == "<lambda>" else f"torch: {called}"

    @cached_property
    def fingerprint(self) -> str | None:
        """Hash of the settings, of the source of factory and functions, and of versions; None if one has none."""
        where = _torch_loop().device_of(self)
        return recipe_fingerprint(
            "torch",
            _torch_loop().torch,
            self.module_factory,
            self.loss,
            self.optimizer,
            [self.epochs, self.batch_size, self.lr, self.weight_decay, self.momentum],
            self.schedule,
            None if self.patience is None else [self.patience, self.validation_share],
            where.type,
            _torch_loop().is_bf16(self, where),
            str(self.task),
        )

    def fit(self, records: Records, seed: int) -> Any:
        """Train one model; it has `predict`, for classes `predict_proba` and `classes_`, and `module`.

        Raises
        ------
        RecipeError
            If the factory makes no module, outputs do not fit the outcomes, or the loss is not finite.
        """
        if records.y is None:
            raise RecipeError("training needs outcomes, and the records have none.")
        return _torch_loop().fit_plainly(self, records.x, np.asarray(records.y), seed)


def _torch_loop() -> Any:
    """Import the loop, and torch with it, when the first model is made."""
    try:
        from seepage.training import torch_loop
    except ImportError as error:
        if (error.name or "").split(".")[0] != "torch":
            raise
        raise MissingExtra("a torch recipe", "torch") from None
    return torch_loop


def _one_of(name: str, value: Any, known: tuple[str, ...], *, or_function: bool = False) -> None:
    if (or_function and callable(value)) or (isinstance(value, str) and value in known):
        return
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    also = ", or a function" if or_function else ""
    raise InputError(f"unknown {name} {value!r}.{hint} Known: {', '.join(known)}{also}.")
