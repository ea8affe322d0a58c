"""Stacked torch training: each model is the one that the plain loop makes of the same seed and members."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import nn

import seepage.training.fast.torch_mlp as torch_mlp
from seepage.errors import RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.training import TorchRecipe, draw_inclusion, run_shadows, train_shadows
from seepage.training.fast.protocol import Stack
from seepage.training.fast.torch_stack import StackedTorch, trainer_for

X, Y = load_breast_cancer(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0))[:181]
NAMES = np.where(Y[:181] == 1, "benign", "malignant")

# float32 rounds at 6e-8; a few dozen steps spread that, and 1e-4 of probability stays far below what any wrong
# constant, order or weight changes
CLOSE = 1e-4


def net():
    return nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 2))


def each_activation():
    return nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(30, 9), nn.Tanh(), nn.Identity(), nn.Linear(9, 8, bias=False), nn.GELU()),
        nn.Linear(8, 7),
        nn.Sigmoid(),
        nn.Linear(7, 6),
        nn.LeakyReLU(0.2),
        nn.Linear(6, 5),
        nn.SiLU(),
        nn.Linear(5, 5),
        nn.GELU(approximate="tanh"),
        nn.Linear(5, 2),
    )


def dropping():
    return nn.Sequential(
        nn.Linear(30, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)
    )


def normed():
    return nn.Sequential(nn.Linear(30, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2))


class Tied(nn.Module):
    """One weight used twice, a buffer, and a frozen parameter."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(30, 30)
        self.again = self.inner
        self.out = nn.Linear(30, 2)
        self.register_buffer("scale", torch.rand(30))
        self.shift = nn.Parameter(torch.rand(30), requires_grad=False)

    def forward(self, x):
        return self.out(torch.relu(self.again(torch.relu(self.inner(x * self.scale + self.shift)))))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        x = x.view(-1, 5, 6)
        return self.out(self.attention(x, x, x, need_weights=False)[0].flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.lstm(x.view(-1, 5, 6))[0][:, -1])


def gap(recipe, data=(X, NAMES), n=4, reader="margin"):
    fast = train_shadows(recipe, data, n)
    plain = train_shadows(recipe, data, n, trainer="one-by-one")
    assert fast.trainer == "torch-stack", fast.notes
    assert plain.trainer == "one-by-one"
    a, b = fast.arrays[reader], plain.arrays[reader]
    return np.abs(a - b).max() if reader == "residual" else np.abs(expit(a) - expit(b)).max()


@pytest.mark.parametrize("factory", [net, each_activation, dropping, normed, Tied, Attending, lambda: nn.Linear(30, 1)])
def test_a_stacked_model_is_the_plain_model(factory):
    assert gap(TorchRecipe(factory, epochs=4, batch_size=32, lr=0.01)) < CLOSE


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adam", "weight_decay": 0.1},
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01, "lr": 0.1},
        {"optimizer": "sgd", "lr": 0.1},
        {"schedule": "cosine"},
        {"schedule": "linear"},
        {"schedule": lambda epoch: 0.5**epoch},
        {"batch_size": 1000},
        {"batch_size": 7},
        {"batch_size": 90},
    ],
)
@pytest.mark.parametrize("factory", [net, normed])
def test_every_setting_means_the_same(factory, settings):
    recipe = TorchRecipe(factory, **{"epochs": 3, "batch_size": 32, "lr": 0.01, **settings})
    assert gap(recipe) < CLOSE


@pytest.mark.parametrize("factory", [net, normed])
def test_models_stop_early_each_by_itself(factory):
    noisy = np.where(np.random.default_rng(0).random(181) < 0.3, "benign", NAMES)
    recipe = TorchRecipe(factory, epochs=40, batch_size=16, lr=0.05, patience=2, validation_share=0.2)
    assert gap(recipe, (X, noisy), 6) < 1e-3
    longer = TorchRecipe(factory, epochs=40, batch_size=16, lr=0.05)
    differ = (
        train_shadows(recipe, (X, noisy), 6).arrays["margin"] - train_shadows(longer, (X, noisy), 6).arrays["margin"]
    )
    assert (np.abs(differ).max(axis=1) > 0.1).all()


def test_regression():
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:150] * 20, ((y - y.mean()) / y.std())[:150]
    recipe = TorchRecipe(lambda: nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1)), loss="mse", epochs=5)
    assert gap(recipe, (x, y), 4, "residual") < CLOSE

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(10, 1)

        def forward(self, x):
            return self.out(x)[:, 0]

    assert gap(TorchRecipe(Flat, loss="mse", epochs=5, patience=2), (x, y), 4, "residual") < CLOSE


def test_a_rare_class_that_some_models_miss():
    y = np.arange(181) % 3
    y[y == 2] = 0
    y[:2] = 2

    def three():
        return nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 3))

    def three_generic():
        return nn.Sequential(nn.Linear(30, 8), nn.LayerNorm(8), nn.Linear(8, 3))

    for factory in (three, three_generic):
        recipe = TorchRecipe(factory, epochs=3, lr=0.01)
        assert gap(recipe, (X, y), 8) < CLOSE
    lacking = [~np.isin(2, y[row]).all() for row in train_shadows(recipe, (X, y), 8).inclusion.included]
    assert any(lacking) and not all(lacking)


def test_uneven_members_and_a_population():
    """Fixed members and groups whose numbers of steps differ: batches of 16 end at 64 rows and at 65."""
    records = Records(X, NAMES)
    inclusion = draw_inclusion(np.repeat(np.arange(61), 3)[:181], np.arange(181) < 140, 6, seed=0)
    assert len(set(inclusion.included.sum(axis=1))) > 1
    given = {
        "task": Task.CLASSIFICATION,
        "seed": 3,
        "classes": np.array(["malignant", "benign"]),
        "population": Records(X[:20], NAMES[:20], ids=np.arange(1000, 1020)),
    }
    recipe = TorchRecipe(net, epochs=3, batch_size=1, lr=0.01)
    fast = run_shadows(recipe, records, inclusion, ("margin", "correct"), **given)
    plain = run_shadows(recipe, records, inclusion, ("margin", "correct"), trainer="one-by-one", **given)
    assert fast.trainer == "torch-stack", fast.notes
    np.testing.assert_allclose(expit(fast.arrays["margin"]), expit(plain.arrays["margin"]), atol=CLOSE)
    np.testing.assert_allclose(expit(fast.population["margin"]), expit(plain.population["margin"]), atol=CLOSE)


def test_a_model_does_not_depend_on_the_others_in_its_stack():
    members = np.random.default_rng(0).random((5, 181)) < np.linspace(0.3, 0.7, 5)[:, None]
    y = (NAMES == "malignant").astype(np.int64)
    for factory in (dropping, normed):
        trainer = trainer_for(TorchRecipe(factory, epochs=3, batch_size=16, patience=2))
        stack = Stack(X, y, members, (11, 12, 13, 14, 15), 2)
        (together,) = trainer.scores(stack)
        for model in (0, 3):
            (alone,) = trainer.scores(stack.part(np.array([model])))
            np.testing.assert_allclose(together[model], alone[0], atol=CLOSE)


def test_dropout_of_other_modules_agrees_in_distribution():
    def random_and_normed():
        return nn.Sequential(nn.Linear(30, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))

    recipe = TorchRecipe(random_and_normed, epochs=5, lr=0.01)
    assert trainer_for(recipe).tolerance is None
    fast, plain = train_shadows(recipe, (X, NAMES), 16), train_shadows(recipe, (X, NAMES), 16, trainer="one-by-one")
    assert fast.trainer == "torch-stack", fast.notes
    a, b = fast.arrays["margin"].mean(axis=0), plain.arrays["margin"].mean(axis=0)
    assert not np.array_equal(a, b)
    assert np.corrcoef(a, b)[0, 1] > 0.99
    assert abs(a.mean() - b.mean()) < 0.1 * b.std()


def test_images_of_other_number_types():
    images = np.random.default_rng(0).integers(0, 255, size=(80, 1, 4, 4)).astype(np.uint8)
    y = np.arange(80) % 2

    def flat():
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 2))

    def embedded():
        return nn.Sequential(nn.Flatten(), nn.Embedding(255, 3), nn.Flatten(), nn.Linear(48, 2))

    assert gap(TorchRecipe(flat, epochs=2), (images, y)) < CLOSE
    assert gap(TorchRecipe(embedded, epochs=2), (images, y)) < CLOSE


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (TorchRecipe(net, loss=lambda o, t: nn.functional.cross_entropy(o, t), task="classification"), "whole batches"),
        (TorchRecipe(lambda: nn.Sequential(nn.Linear(30, 2), nn.BatchNorm1d(2))), "batch norm .* GroupNorm"),
        (TorchRecipe(lambda: nn.Sequential(nn.Conv1d(1, 1, 3), nn.Linear(28, 2)), device="cpu"), "convolutions"),
        (TorchRecipe(Recurrent), "recurrent layers"),
        (TorchRecipe(lambda: nn.Flatten()), "no parameters"),
        (TorchRecipe(lambda: None), "NoneType"),
        (TorchRecipe(lambda: 1 / 0), "factory failed: ZeroDivisionError"),
        (TorchRecipe(lambda: nn.Linear(int(torch.randint(2, 90, ())), 2)), "different shapes"),
    ],
)
def test_what_is_not_stacked_has_a_reason(recipe, reason):
    made = trainer_for(recipe)
    assert isinstance(made, str)
    assert re.search(reason, made)


def test_a_module_that_vmap_cannot_run_is_trained_one_by_one():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(30, 2)

        def forward(self, x):
            return self.out(x) if x.sum().item() > 0 else -self.out(x)

    signals = train_shadows(TorchRecipe(Branching, epochs=1), (X, NAMES), 2)
    assert signals.trainer == "one-by-one"
    assert any("Branching cannot be stacked" in note for note in signals.notes)


def test_convolutions_stack_exactly_where_they_are_stacked():
    """On a CPU they are not, because it gains nothing; the arithmetic is the same on a GPU."""
    images = np.random.default_rng(0).normal(size=(60, 1, 8, 8)).astype(np.float32)
    y = np.arange(60) % 2

    def convolving():
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2))

    recipe = TorchRecipe(convolving, epochs=3, batch_size=16, device="cpu")
    members = np.random.default_rng(1).random((3, 60)) < 0.6
    trainer = StackedTorch(recipe, None, torch.device("cpu"), False, False, 100)
    (made,) = trainer.scores(Stack(images, y, members, (1, 2, 3), 2))
    for model, inside in enumerate(members):
        plain = recipe.fit(Records(images[inside], y[inside]), model + 1)
        np.testing.assert_allclose(made[model], plain.predict_proba(images), atol=CLOSE)


def test_bf16_agrees_in_distribution(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    recipe = TorchRecipe(net, epochs=3, lr=0.01, precision="bf16", device="cpu")
    assert trainer_for(recipe).tolerance is None
    fast, plain = train_shadows(recipe, (X, NAMES), 4), train_shadows(recipe, (X, NAMES), 4, trainer="one-by-one")
    assert fast.trainer == "torch-stack", fast.notes
    assert np.abs(expit(fast.arrays["margin"]) - expit(plain.arrays["margin"])).max() < 0.05


def test_a_broken_trainer_is_found_out(monkeypatch):
    slope = torch_mlp.StackedPerceptrons._slope
    monkeypatch.setattr(torch_mlp.StackedPerceptrons, "_slope", lambda self, *given: -slope(self, *given))
    signals = train_shadows(TorchRecipe(net, epochs=5, lr=0.01), (X, NAMES), 4)
    assert signals.trainer == "one-by-one"
    assert any("not the one a plain fit makes" in note for note in signals.notes)


def test_a_loss_that_is_not_finite_names_the_model():
    with pytest.raises(RecipeError, match="shadow model .* the loss is"):
        train_shadows(TorchRecipe(net, epochs=3), (np.where(X > 3, np.nan, X), NAMES), 2)


def test_torchs_state_is_left_as_it_was():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train_shadows(TorchRecipe(dropping, epochs=1), (X, NAMES), 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def test_worker_processes_make_the_same_models():
    recipe = TorchRecipe(net, epochs=2)
    here, there = train_shadows(recipe, (X, NAMES), 4), train_shadows(recipe, (X, NAMES), 4, engine="local", jobs=2)
    np.testing.assert_array_equal(here.arrays["margin"], there.arrays["margin"])


def test_plans_take_only_what_they_reproduce():
    hooked = net()
    hooked[0].register_forward_hook(lambda *given: None)
    frozen = net()
    frozen[0].weight.requires_grad_(False)
    shared = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    shared[2].weight = shared[0].weight
    parametrised = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(30, 2)))

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    late = nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.Linear(4, 2))
    others = [hooked, frozen, shared, parametrised, nn.Sequential(Doubled(30, 2)), late, net().double(), normed()]
    assert [torch_mlp.plan_of(module) for module in others] == [None] * len(others)
    assert torch_mlp.plan_of(net()) is not None
