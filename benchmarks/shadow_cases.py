"""The cases of benchmarks/shadow_training.py: data, estimator or recipe, and the plain torch loop for networks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from data_sets import adult, adult_codes, breast_cancer, digits, gaussian_classes, purchase_like, scaled

RATE = 1e-3


@dataclass(frozen=True)
class Net:
    """A network of one hidden layer, trained by Adam: hidden units, epochs, rows a step."""

    hidden: int
    epochs: int
    batch: int


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Parameters
    ----------
    name, title : short, and as the page says it.
    models : shadow models.
    data : gives rows and outcomes.
    estimator : gives the scikit-learn estimator; unused where there is a recipe.
    recipe : gives a recipe of seepage, for models that scikit-learn does not have.
    net : the same network for the plain torch loop; None where there is none.
    repeats : most repeats; the largest case takes minutes.
    """

    name: str
    title: str
    models: int
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    estimator: Callable[[], Any]
    recipe: Callable[[], Any] | None = None
    net: Net | None = None
    repeats: int = 5


SMALL, MIDDLE, LARGE = Net(32, 20, 64), Net(64, 30, 64), Net(128, 20, 256)


def torch_loop(net: Net, x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Train one torch network after the other on its half: shuffle, take batches, step; then read it on all rows."""
    import torch

    torch.set_num_threads(1)
    rows, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    classes = int(labels.max()) + 1
    answers = []
    for k, inside in enumerate(mask):
        torch.manual_seed(k)
        own_x, own_y = rows[torch.tensor(inside)], labels[torch.tensor(inside)]
        model = _module(x.shape[1], net.hidden, classes)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        loss = torch.nn.CrossEntropyLoss()
        for _ in range(net.epochs):
            for batch in torch.randperm(len(own_x)).split(net.batch):
                optimizer.zero_grad()
                loss(model(own_x[batch]), own_y[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            answers.append(torch.softmax(model(rows), dim=1).numpy())
    return answers


def _module(columns: int, hidden: int, classes: int) -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(columns, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))


def gemm_seconds(net: Net, columns: int, classes: int, rows: int, models: int) -> float:
    """Return the CPU seconds of the matrix products that such training cannot do without, in float32 numpy.

    A step has two products forward and three back (the inputs' gradient is not needed); each is timed at its shape.
    """
    rng = np.random.default_rng(0)

    def seconds(a: int, b: int, c: int) -> float:
        left, right = rng.random((a, b), dtype=np.float32), rng.random((b, c), dtype=np.float32)
        took = []
        for _ in range(5):
            start = time.process_time()
            for _ in range(20):
                left @ right
            took.append((time.process_time() - start) / 20)
        return float(np.median(took))

    n, h = net.batch, net.hidden
    shapes = ((n, columns, h), (n, h, classes), (columns, n, h), (h, n, classes), (n, classes, h))
    return sum(seconds(*shape) for shape in shapes) * net.epochs * rows / n * models


def _perceptron(net: Net) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier((net.hidden,), max_iter=net.epochs, batch_size=net.batch, n_iter_no_change=net.epochs)

    return make


def _torch_recipe(net: Net, columns: int, classes: int) -> Callable[[], Any]:
    def make() -> Any:
        import torch

        from seepage.training import TorchRecipe

        torch.set_num_threads(1)
        return TorchRecipe(
            lambda: _module(columns, net.hidden, classes),
            epochs=net.epochs,
            batch_size=net.batch,
            lr=RATE,
            device="cpu",
        )

    return make


def _made(module: str, name: str, **settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        import importlib

        return getattr(importlib.import_module(f"sklearn.{module}"), name)(**settings)

    return make


def _cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = breast_cancer()
    return scaled(x), y


def _one_hot() -> tuple[np.ndarray, np.ndarray]:
    x, y = adult(6_000)
    return scaled(x), y


def _codes() -> tuple[np.ndarray, np.ndarray]:
    x, y = adult_codes(6_000)
    return scaled(x), y


def _hours(read: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Take the hours worked a week as the outcome of a regression on all other columns."""

    def made() -> tuple[np.ndarray, np.ndarray]:
        x, y = read(6_000)
        hours = next(i for i, column in enumerate(x.T) if column.max() == 99 and column.min() >= 1)
        return scaled(np.column_stack([np.delete(x, hours, axis=1), y])), x[:, hours]

    return made


CASES = (
    Case("mlp-small", "MLP 30→32→2, breast_cancer, 569 rows, 20 epochs (scikit-learn)", 64, _cancer,
         _perceptron(SMALL), net=SMALL),
    Case("mlp-small-torch", "the same as a torch recipe", 64, _cancer, _perceptron(SMALL),
         _torch_recipe(SMALL, 30, 2), SMALL),
    Case("mlp-digits", "MLP 64→64→10, digits, 1,500 rows, 30 epochs (scikit-learn)", 32, lambda: digits(1_500),
         _perceptron(MIDDLE), net=MIDDLE),
    Case("mlp-digits-torch", "the same as a torch recipe, digits", 32, lambda: digits(1_500), _perceptron(MIDDLE),
         _torch_recipe(MIDDLE, 64, 10), MIDDLE),
    Case("mlp-purchase", "MLP 600→128→100, Purchase-like, 10,000 rows, 20 epochs (scikit-learn)", 32,
         lambda: purchase_like(10_000), _perceptron(LARGE), net=LARGE, repeats=3),
    Case("mlp-purchase-torch", "the same as a torch recipe, Purchase-like", 32, lambda: purchase_like(10_000),
         _perceptron(LARGE), _torch_recipe(LARGE, 600, 100), LARGE, repeats=3),
    Case("logistic", "LogisticRegression, scaled breast_cancer, converged", 64, _cancer,
         _made("linear_model", "LogisticRegression", tol=1e-6, max_iter=1_000)),
    Case("logistic-digits", "LogisticRegression, digits, 10 classes", 32, digits,
         _made("linear_model", "LogisticRegression", tol=1e-6, max_iter=1_000)),
    Case("neighbours", "KNeighborsClassifier(5), Gaussian clouds, 6,000 × 30", 64, lambda: gaussian_classes(6_000),
         _made("neighbors", "KNeighborsClassifier")),
    Case("neighbours-adult", "KNeighborsClassifier(5), Adult one-hot, 6,000 rows, many tied distances", 64, _one_hot,
         _made("neighbors", "KNeighborsClassifier"), repeats=3),
    Case("naive-bayes", "GaussianNB, Adult in 13 columns, 6,000 rows", 64, _codes, _made("naive_bayes", "GaussianNB")),
    Case("naive-bayes-wide", "GaussianNB, Adult one-hot, 6,000 rows", 64, _one_hot, _made("naive_bayes", "GaussianNB")),
    Case("ridge", "Ridge, hours a week on Adult in 13 columns, 6,000 rows", 64, _hours(adult_codes),
         _made("linear_model", "Ridge")),
    Case("ridge-wide", "Ridge, hours a week on Adult one-hot, 6,000 rows", 64, _hours(adult),
         _made("linear_model", "Ridge")),
    Case("discriminant", "LinearDiscriminantAnalysis, scaled breast_cancer", 64, _cancer,
         _made("discriminant_analysis", "LinearDiscriminantAnalysis")),
    Case("forest", "RandomForestClassifier(100), breast_cancer", 32, breast_cancer,
         _made("ensemble", "RandomForestClassifier")),
    Case("forest-adult", "RandomForestClassifier(100), Adult one-hot, 6,000 rows", 16, _one_hot,
         _made("ensemble", "RandomForestClassifier"), repeats=3),
    Case("bagging", "BaggingClassifier(), breast_cancer", 32, breast_cancer, _made("ensemble", "BaggingClassifier")),
    Case("boosting", "GradientBoostingClassifier(), breast_cancer", 16, breast_cancer,
         _made("ensemble", "GradientBoostingClassifier"), repeats=3),
)  # fmt: skip
