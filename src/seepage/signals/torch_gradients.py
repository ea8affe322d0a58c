"""How far one record would move a torch module: the norm of its loss gradient in the parameters (extra `torch`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seepage.errors import InputError
from seepage.spec import Task
from seepage.targets.links import Link
from seepage.targets.rows import as_matrix

__all__ = ["gradient_norms"]

_NUMBERS_A_CALL = 20_000_000
_MOST_A_CALL = 512


def gradient_norms(module: Any, x: Any, outcome: NDArray[Any], *, task: Task, n_classes: int) -> NDArray[np.float32]:
    """Return the Euclidean norm of each record's loss gradient over all trainable parameters, (n,).

    The loss is cross-entropy of the record's class, or half the squared error for regression, in evaluation mode, on
    the device of the parameters. The module itself is not touched: a copy is differentiated. Records are taken together
    (`torch.func.vmap` of `grad`); a module that vmap cannot serve is taken record by record.

    Parameters
    ----------
    module : takes (n, …) and returns logits, probabilities, or predictions.
    x : n rows.
    outcome : (n,) column of the true class, -1 for a class the module does not know; or the true number.
    n_classes : number of classes; 0 for regression.

    Returns
    -------
    (n,) float32, NaN where the class is unknown.

    Raises
    ------
    InputError
        If no parameter of the module can be trained.

    Examples
    --------
    >>> import torch
    >>> line = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(line.weight, 2.0)
    >>> gradient_norms(line, np.array([[1.0], [3.0]]), np.array([1.0, 6.0]), task=Task.REGRESSION, n_classes=0).tolist()
    [1.0, 0.0]
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _norms(copy.deepcopy(module).eval(), x, outcome, task, n_classes)
    finally:
        torch.set_num_threads(before)


def _norms(module: Any, x: Any, outcome: NDArray[Any], task: Task, n_classes: int) -> NDArray[np.float32]:
    import torch

    own = [(part, p) for part in module.modules() for p in part.parameters(recurse=False)]
    weights = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    if not weights:
        raise InputError(f"no parameter of {type(module).__name__} can be trained: there is no gradient to read.")
    rest = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad} | dict(
        module.named_buffers()
    )
    first, place = own[0]
    embeds = isinstance(first, (torch.nn.Embedding, torch.nn.EmbeddingBag))
    kind = torch.long if embeds else place.dtype
    rows = x if isinstance(x, torch.Tensor) else torch.as_tensor(as_matrix(x, what="a torch module"))
    rows = rows.to(device=place.device, dtype=kind)
    known = np.ones(len(rows), dtype=bool) if task is Task.REGRESSION else np.asarray(outcome) >= 0
    truth = torch.as_tensor(np.where(known, outcome, 0)).to(
        device=place.device, dtype=next(iter(weights.values())).dtype if task is Task.REGRESSION else torch.long
    )
    loss = _loss_of(module, rows, task, n_classes)

    def one(trained: dict[str, Any], row: Any, true: Any) -> Any:
        answer = torch.func.functional_call(module, (trained, rest), (row[None],))
        return loss(getattr(answer, "logits", answer), true)

    alone = torch.func.grad(one)
    together = torch.func.vmap(alone, in_dims=(None, 0, 0))
    size = sum(p.numel() for p in weights.values())
    step = max(1, min(_MOST_A_CALL, _NUMBERS_A_CALL // size))
    out = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        try:
            slopes = together(weights, rows[part], truth[part])
            squared = sum((slope.reshape(len(slope), -1).double() ** 2).sum(dim=1) for slope in slopes.values())
        except RuntimeError:
            pairs = zip(rows[part], truth[part], strict=True)
            each = [alone(weights, row, true) for row, true in pairs]
            squared = torch.stack([sum((slope.double() ** 2).sum() for slope in found.values()) for found in each])
        out[part] = torch.sqrt(torch.as_tensor(squared)).cpu().numpy()
    return np.where(known, out, np.float32(np.nan))


def _loss_of(module: Any, rows: Any, task: Task, n_classes: int) -> Callable[[Any, Any], Any]:
    """Return the loss of one answer (1, C) or (1,); whether answers are logits or probabilities is read off some."""
    import torch

    if task is Task.REGRESSION:
        return lambda answer, true: 0.5 * (answer.reshape(()) - true) ** 2
    with torch.no_grad():
        answer = module(rows[:_MOST_A_CALL])
    raw = getattr(answer, "logits", answer).detach().cpu().double().numpy()
    link = Link(n_classes)
    link.probabilities(raw)
    single = raw.ndim == 1 or raw.shape[-1] == 1
    tiny = 1e-12
    if single and link.ready:
        return lambda answer, true: (
            -torch.log(torch.where(true == 1, answer.reshape(()), 1.0 - answer.reshape(())).clamp_min(tiny))
        )
    if single:
        return lambda answer, true: torch.nn.functional.softplus((1.0 - 2.0 * true) * answer.reshape(()))
    if link.ready:
        return lambda answer, true: -torch.log(answer.reshape(-1).gather(0, true[None])[0].clamp_min(tiny))
    return lambda answer, true: torch.nn.functional.cross_entropy(answer.reshape(1, -1), true[None])
