"""Stacked torch training against the serial loop on the same device: 256 perceptrons and 64 small conv nets; JSON out.

Run: python benchmarks/gpu.py [--device cuda|cpu] [--small]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from seepage.training import TorchRecipe, train_shadows
from seepage.training.fast.torch_stack import trainer_for


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))


def convolving() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 6 * 6, 10),
    )


def cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_breast_cancer(return_X_y=True)
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32), y


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the 1,797 digits, 8×8, each pixel drawn as 3×3: (n, 1, 24, 24)."""
    x, y = load_digits(return_X_y=True)
    return np.kron((x / 16).astype(np.float32).reshape(-1, 1, 8, 8), np.ones((1, 1, 3, 3), dtype=np.float32)), y


def seconds(work: Callable[[], Any]) -> float:
    """Return wall-clock seconds, the device's work included: on a GPU, CPU time would miss it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(name: str, recipe: TorchRecipe, data: tuple[np.ndarray, np.ndarray], models: int, serial: int) -> dict:
    """Time `models` stacked models and `serial` serial ones, three times each in turn."""
    signals = train_shadows(recipe, data, 4)
    train_shadows(recipe, data, 2, trainer="one-by-one")
    stacked: list[float] = []
    plain: list[float] = []
    for _ in range(3):
        stacked.append(seconds(lambda: train_shadows(recipe, data, models)))
        plain.append(seconds(lambda: train_shadows(recipe, data, serial, trainer="one-by-one")) * models / serial)
    chosen = trainer_for(recipe)
    return {
        "name": name,
        "models": models,
        "rows": len(data[1]),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "trainer": signals.trainer,
        "way": chosen if isinstance(chosen, str) else chosen.title,
        "notes": list(signals.notes),
        "stacked_seconds": round(statistics.median(stacked), 4),
        "serial_seconds": round(statistics.median(plain), 4),
        "serial_models_timed": serial,
        "ratio": round(statistics.median(plain) / statistics.median(stacked), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="a few models, to see that it runs")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device here. Run with --device cpu.")
    torch.set_num_threads(1)
    mlps, nets, serial, epochs = (8, 4, 2, 2) if given.small else (256, 64, 16, 20)
    common: dict[str, Any] = {"epochs": epochs, "batch_size": 64, "device": given.device}
    results = [
        compare("perceptrons 30-32-2, breast cancer", TorchRecipe(perceptron, **common), cancer(), mlps, serial),
        compare("conv nets, two layers, digits at 24×24", TorchRecipe(convolving, **common), digits(), nets, serial),
    ]
    device = torch.cuda.get_device_name() if given.device == "cuda" else platform.processor() or platform.machine()
    print(json.dumps({"device": device, "torch": torch.__version__, "results": results}, indent=2))


if __name__ == "__main__":
    main()
