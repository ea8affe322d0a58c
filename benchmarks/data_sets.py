"""The data sets of the benchmarks as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def adult(n: int, seed: int = 0) -> tuple[Floats, Labels]:
    """Return n random rows of the bundled Adult data, categories one-hot, numbers as they are; label: earns > 50K."""
    from seepage.datasets import load

    records = load("adult")
    texts = [name for name, kind in records.x.schema.items() if not kind.is_numeric()]
    pick = np.random.default_rng(seed).permutation(records.n)[:n]
    x = records.x[pick].to_dummies(columns=texts).to_numpy().astype(np.float64)
    return x, (np.asarray(records.y)[pick] == ">50K").astype(np.int64)


def scaled(x: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1; constant ones become 0."""
    spread = x.std(axis=0)
    result: Floats = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return result


def breast_cancer() -> tuple[Floats, Labels]:
    """Return the 569 rows that come with scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return x, y.astype(np.int64)


def digits(n: int | None = None) -> tuple[Floats, Labels]:
    """Return the first n digits that come with scikit-learn, pixels in [0, 1]."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x[:n] / 16.0, y[:n].astype(np.int64)


def purchase_like(n: int, classes: int = 100, columns: int = 600, seed: int = 0) -> tuple[Floats, Labels]:
    """Return binary rows in clusters, of the shape of Purchase-100: each cluster's columns are on with own shares."""
    rng = np.random.default_rng(seed)
    shares = rng.beta(0.5, 1.5, size=(classes, columns))
    y = rng.integers(classes, size=n)
    x = (rng.random((n, columns)) < 0.5 * shares[y] + 0.5 * shares.mean(axis=0)).astype(np.float64)
    return x, y.astype(np.int64)


def adult_codes(n: int, seed: int = 0) -> tuple[Floats, Labels]:
    """Return the same rows in 13 columns: categories as the rank of their text, a missing one as −1."""
    from seepage.datasets import load
    from seepage.records import Records, encode

    records = load("adult")
    pick = np.random.default_rng(seed).permutation(records.n)[:n]
    x = encode(Records(records.x[pick], None))
    return np.where(np.isnan(x), -1.0, x), (np.asarray(records.y)[pick] == ">50K").astype(np.int64)


def gaussian_classes(n: int, columns: int = 30, seed: int = 0) -> tuple[Floats, Labels]:
    """Return two overlapping Gaussian clouds: rows without tied distances."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    return rng.normal(size=(n, columns)) + 0.3 * y[:, None], y.astype(np.int64)
