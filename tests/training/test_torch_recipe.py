"""Torch recipes: a seeded plain loop that stops early, takes any labels, and says what is wrong with a module."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import nn

from seepage.errors import InputError, RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.targets import open_target
from seepage.training import TorchRecipe, as_recipe, train_shadows

X, Y = load_breast_cancer(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0))[:200]
NAMES = np.where(Y[:200] == 1, "benign", "malignant")
RECORDS = Records(X, NAMES)


def net():
    return nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 2))


def logit():
    return nn.Linear(30, 1)


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.module.parameters(), b.module.parameters(), strict=True))


def test_one_seed_makes_one_model_and_leaves_torchs_own_randomness_alone():
    recipe = TorchRecipe(net, epochs=2)
    state = torch.get_rng_state()
    first, again, other = recipe.fit(RECORDS, 1), recipe.fit(RECORDS, 1), recipe.fit(RECORDS, 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize(
    ("optimizer", "made"),
    [
        ("adam", lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.1, momentum=0.9)),
    ],
)
def test_full_batches_make_the_steps_that_torch_makes(optimizer, made):
    """With one batch an epoch the order of rows does not matter, so a loop written by hand has to agree."""
    momentum = 0.9 if optimizer == "sgd" else 0.0
    recipe = TorchRecipe(
        net, optimizer=optimizer, epochs=5, batch_size=200, lr=0.01, weight_decay=0.1, momentum=momentum
    )
    torch.manual_seed(3)
    module = net()
    steps = made(module.parameters())
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(NAMES == "malignant").long()
    for _ in range(5):
        steps.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        steps.step()
    expected = module(x).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(recipe.fit(RECORDS, 3).predict_proba(X), expected, atol=1e-5)


def test_the_model_is_a_target_with_the_users_labels():
    model = TorchRecipe(net, epochs=10, lr=0.01).fit(RECORDS, 0)
    target = open_target(model, access="scores")
    assert target.classes.tolist() == ["benign", "malignant"]
    scores = target.scores(X)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)
    assert (target.classes[scores.argmax(axis=1)] == NAMES).mean() > 0.9
    assert open_target(model, access="scores").fingerprint == target.fingerprint


def test_two_classes_may_have_one_output():
    model = TorchRecipe(logit, epochs=20, lr=0.02).fit(RECORDS, 0)
    assert model.predict_proba(X).shape == (200, 2)
    assert (model.predict(X) == NAMES).mean() > 0.9


def test_regression():
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    recipe = TorchRecipe(lambda: nn.Linear(10, 1), loss="mse", epochs=200, lr=0.05, batch_size=442)
    model = recipe.fit(Records(x, y), 0)
    assert recipe.task is Task.REGRESSION
    assert np.corrcoef(model.predict(x), y)[0, 1] > 0.65
    target = open_target(model, access="scores", task="regression")
    np.testing.assert_allclose(target.scores(x), model.predict(x))


def test_a_loss_function_gets_outputs_and_class_numbers():
    def smoothed(outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=0.2)

    recipe = TorchRecipe(net, loss=smoothed, task="classification", epochs=20, lr=0.01)
    model = recipe.fit(RECORDS, 0)
    assert (model.predict(X) == NAMES).mean() > 0.9
    signals = train_shadows(recipe, (X, NAMES), 2)
    assert signals.trainer == "one-by-one"


def test_images_and_embeddings():
    rng = np.random.default_rng(0)
    images, tokens = rng.normal(size=(60, 1, 8, 8)), rng.integers(0, 5, size=(60, 3))
    y = np.arange(60) % 2
    images[y == 1] += 1.0

    def convolving():
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))

    def embedding():
        return nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2))

    assert (TorchRecipe(convolving, epochs=20, lr=0.01).fit(Records(images, y), 0).predict(images) == y).mean() > 0.9
    assert TorchRecipe(embedding, epochs=1).fit(Records(tokens, y), 0).predict_proba(tokens).shape == (60, 2)


def test_modules_in_double_precision():
    model = TorchRecipe(lambda: net().double(), epochs=10, lr=0.01).fit(RECORDS, 0)
    assert next(model.module.parameters()).dtype == torch.float64
    assert (model.predict(X) == NAMES).mean() > 0.9


def test_early_stopping_takes_the_best_epoch():
    """An epoch at lr 0 changes nothing, so training that only goes wrong after epoch 3 must end with epoch 3."""
    good = TorchRecipe(net, epochs=3, lr=0.01, patience=2)
    seen = []

    def then_wild(epoch):
        seen.append(epoch)
        return 1.0 if epoch < 3 else 1000.0

    wild = TorchRecipe(net, epochs=50, lr=0.01, patience=2, schedule=then_wild)
    assert same(good.fit(RECORDS, 0), wild.fit(RECORDS, 0))
    assert seen == [0, 1, 2, 3, 4]


def test_schedules():
    from seepage.training.torch_loop import rate

    cosine, linear = (
        TorchRecipe(net, epochs=4, lr=2.0, schedule="cosine"),
        TorchRecipe(net, epochs=4, schedule="linear"),
    )
    assert [round(rate(cosine, e), 6) for e in (0, 2)] == [2.0, 1.0]
    assert [rate(linear, e) for e in (0, 2)] == [1e-3, 5e-4]
    broken = TorchRecipe(net, epochs=1, schedule=lambda epoch: None)
    with pytest.raises(RecipeError, match="schedule returned None for epoch 0"):
        broken.fit(RECORDS, 0)


def test_batch_norm_skips_a_last_batch_of_one_row():
    def normed():
        return nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    model = TorchRecipe(normed, epochs=2, batch_size=199).fit(RECORDS, 0)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: None, "made a NoneType"),
        (lambda: nn.Linear(30, 3)(torch.zeros(1, 30)), "made a Tensor"),
        (lambda: nn.Sequential(nn.Linear(30, 2), nn.Softmax(dim=1)), "ends in a softmax"),
        (lambda: nn.Flatten(), "no parameters"),
        (lambda: nn.LazyLinear(2), "lazy layers"),
        (lambda: nn.LSTM(30, 2), "answers a tuple"),
    ],
)
def test_modules_that_cannot_be_trained_are_named(factory, message):
    with pytest.raises(RecipeError, match=message):
        TorchRecipe(factory, epochs=1).fit(RECORDS, 0)


def test_outputs_that_do_not_fit_the_outcomes():
    with pytest.raises(RecipeError, match="3 classes. Its last layer needs 3 outputs"):
        TorchRecipe(net, epochs=1).fit(Records(X, np.arange(200) % 3), 0)
    with pytest.raises(RecipeError, match="regression needs"):
        TorchRecipe(net, loss="mse", epochs=1).fit(Records(X, np.arange(200.0)), 0)
    with pytest.raises(RecipeError, match="a classifier needs two"):
        TorchRecipe(net, epochs=1).fit(Records(X, np.zeros(200, dtype=int)), 0)
    with pytest.raises(RecipeError, match="the records have none"):
        TorchRecipe(net, epochs=1).fit(Records(X), 0)


def test_a_loss_that_is_not_finite():
    with pytest.raises(RecipeError, match="the loss is .* after epoch 1. Scale the features"):
        TorchRecipe(net, epochs=3).fit(Records(np.where(np.arange(30) == 0, np.nan, X), NAMES), 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "crossentropy"}, "Did you mean 'cross-entropy'"),
        ({"loss": lambda a, b: a.sum()}, "does not tell the task"),
        ({"loss": "mse", "task": "classification"}, "is for regression"),
        ({"task": "ranking"}, "unknown task"),
        ({"optimizer": "lbfgs"}, "unknown optimizer"),
        ({"schedule": "step"}, "unknown schedule"),
        ({"device": "tpu"}, "unknown device"),
        ({"precision": "fp16"}, "unknown precision"),
        ({"epochs": 0}, "epochs must be"),
        ({"batch_size": 1.5}, "batch_size must be"),
        ({"patience": 0}, "patience must be"),
        ({"lr": -1.0}, "lr must be"),
        ({"weight_decay": -1.0}, "weight_decay must"),
        ({"momentum": 0.9}, "momentum belongs to"),
        ({"patience": 3, "validation_share": 1.0}, "validation_share must"),
    ],
)
def test_settings_are_checked_at_once(settings, message):
    with pytest.raises(InputError, match=message):
        TorchRecipe(net, **settings)


def test_a_module_in_place_of_its_factory():
    with pytest.raises(InputError, match="every model needs a fresh one"):
        TorchRecipe(net())
    with pytest.raises(InputError, match="function that makes an untrained module"):
        TorchRecipe("net")


def test_hardware_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds none here"):
        TorchRecipe(net, epochs=1, device="cuda").fit(RECORDS, 0)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    with pytest.raises(InputError, match="only be emulated"):
        TorchRecipe(net, epochs=1, precision="bf16").fit(RECORDS, 0)
    plain = TorchRecipe(net, epochs=1).fit(RECORDS, 0)
    assert same(TorchRecipe(net, epochs=1, precision="auto").fit(RECORDS, 0), plain)


def test_bf16_is_taken_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    half = TorchRecipe(net, epochs=3, precision="auto").fit(RECORDS, 0)
    full = TorchRecipe(net, epochs=3).fit(RECORDS, 0)
    assert not same(half, full)
    np.testing.assert_allclose(half.predict_proba(X), full.predict_proba(X), atol=0.05)


def test_fingerprints_follow_what_is_trained():
    recipe = TorchRecipe(net)
    assert recipe.fingerprint == TorchRecipe(net).fingerprint != TorchRecipe(logit).fingerprint
    changes = [{"lr": 0.1}, {"epochs": 3}, {"optimizer": "sgd"}, {"patience": 3}, {"schedule": "cosine"}]
    prints = {TorchRecipe(net, **change).fingerprint for change in changes}
    assert len(prints | {recipe.fingerprint}) == len(changes) + 1
    trained = net()
    assert TorchRecipe(lambda: trained).fingerprint is None


def test_it_is_a_recipe_and_travels():
    recipe = TorchRecipe(net, epochs=1)
    assert as_recipe(recipe) is recipe
    assert recipe.name == "torch: net" and TorchRecipe(lambda: net()).name == "torch"
    assert pickle.loads(pickle.dumps(recipe)) == recipe
