"""Gradient norms: closed forms, every kind of output, calibration by shadow models, and a real audit of a net."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification

import seepage
from seepage.attacks.membership.gradient import GradientNorm
from seepage.errors import AccessDenied, InputError
from seepage.records import Records
from seepage.signals import read_signals
from seepage.signals.torch_gradients import gradient_norms
from seepage.spec import Task
from seepage.targets import open_target
from seepage.testing import check_attack, toy_leaky_scene
from seepage.training.fast.choose import choose
from seepage.training.recipes import EstimatorRecipe


def test_it_conforms() -> None:
    tasks = {check.task for check in check_attack(GradientNorm())}
    assert tasks == {"classification", "regression"}


@pytest.mark.parametrize("ends", ["logits", "softmax", "sigmoid", "single logit"])
def test_norms_of_a_linear_classifier_have_a_closed_form(ends: str) -> None:
    """‖(p − y) ⊗ (x, 1)‖ = ‖p − y‖·√(1 + ‖x‖²); with one output |p − y|·√(1 + ‖x‖²)."""
    torch.manual_seed(0)
    single = ends in ("sigmoid", "single logit")
    layer = torch.nn.Linear(3, 1 if single else 4)
    last = {"softmax": [torch.nn.Softmax(dim=1)], "sigmoid": [torch.nn.Sigmoid()]}.get(ends, [])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)).astype(np.float32), rng.integers(2 if single else 4, size=30)
    with torch.no_grad():
        raw = layer(torch.as_tensor(x)).double()
    if single:
        difference = np.abs(torch.sigmoid(raw).numpy()[:, 0] - y)
    else:
        difference = np.linalg.norm(torch.softmax(raw, dim=1).numpy() - np.eye(4)[y], axis=1)
    expected = difference * np.sqrt(1 + (x.astype(float) ** 2).sum(axis=1))
    module = torch.nn.Sequential(layer, *last)
    found = gradient_norms(module, x, y, task=Task.CLASSIFICATION, n_classes=2 if single else 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_norms_agree_with_autograd_record_by_record_and_leave_the_module_alone() -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1)
    )
    net[0].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(700, 5)), rng.normal(size=700)
    found = gradient_norms(net, x, y, task=Task.REGRESSION, n_classes=0)
    assert net.training and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    net.eval()
    for i in (0, 350, 699):
        net.zero_grad()
        loss = 0.5 * (net(torch.as_tensor(x[i : i + 1], dtype=torch.float32))[0, 0] - float(y[i])) ** 2
        loss.backward()
        norm = sum(float((p.grad.double() ** 2).sum()) for p in net.parameters() if p.requires_grad) ** 0.5
        assert found[i] == pytest.approx(norm, rel=1e-4)


class Branching(torch.nn.Module):
    """A module that looks at its input, which vmap cannot serve."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if float(x.sum()) > -1e9 else x


def test_a_module_that_cannot_be_batched_is_taken_record_by_record() -> None:
    module = Branching()
    x, y = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32), np.array([0, 1, -1, 1, 0, 1, 0, 1, 0])
    plain = torch.nn.Sequential(module.layer)
    expected = gradient_norms(plain, x, y, task=Task.CLASSIFICATION, n_classes=2)
    found = gradient_norms(module, x, y, task=Task.CLASSIFICATION, n_classes=2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isnan(found[2]) and np.isfinite(np.delete(found, 2)).all(), "a class the module does not know"


def test_a_module_without_parameters_to_train_is_refused() -> None:
    frozen = torch.nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(InputError, match="no parameter of Linear"):
        gradient_norms(frozen, np.zeros((2, 2)), np.array([0, 1]), task=Task.CLASSIFICATION, n_classes=2)


def test_the_reader_needs_weights_and_knows_torch_only() -> None:
    from sklearn.linear_model import LogisticRegression

    records = Records(np.random.default_rng(0).normal(size=(20, 2)), np.array(["a", "b"] * 10))
    net = torch.nn.Linear(2, 2)
    granted = open_target(net, access="weights", task="classification", classes=["a", "b"])
    read = read_signals(granted, records, ["gradient-norm", "correct"], floor=1e-7)
    assert set(read) == {"gradient-norm", "correct"} and (read["gradient-norm"] > 0).all()
    with pytest.raises(AccessDenied):
        read_signals(granted.under("scores"), records, ["gradient-norm"], floor=1e-7)
    other = open_target(LogisticRegression().fit(records.x, records.y), access="weights")
    assert np.isnan(read_signals(other, records, ["gradient-norm"], floor=1e-7)["gradient-norm"]).all()


def test_shadow_models_are_made_one_by_one_for_it() -> None:
    from sklearn.linear_model import Ridge

    assert choose(EstimatorRecipe(Ridge()), Task.REGRESSION, ("residual",)).trainer is not None
    choice = choose(EstimatorRecipe(Ridge()), Task.REGRESSION, ("residual", "gradient-norm"))
    assert choice.trainer is None and "gradient" in choice.reason


def test_without_readable_shadow_models_the_norm_itself_ranks() -> None:
    scene = toy_leaky_scene("classification", 0, 80)
    arrays = {"gradient-norm": np.full_like(scene.shadows.arrays["gradient-norm"], np.nan)}
    blank = GradientNorm().run(replace(scene, shadows=replace(scene.shadows, arrays=arrays)))
    bare = GradientNorm().run(replace(scene, shadows=None))
    np.testing.assert_array_equal(blank.scores, bare.scores)
    assert blank.notes and not bare.notes and not bare.variants


def fit(x: np.ndarray, y: np.ndarray, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    rows, truth = torch.as_tensor(np.asarray(x)), torch.as_tensor(np.asarray(y) == "ill").long()
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(rows), truth).backward()
        optimizer.step()
    return net


def test_an_audit_with_weights_reads_gradients_of_target_and_shadow_models() -> None:
    x, codes = make_classification(500, 20, n_informative=6, flip_y=0.1, random_state=0)
    x, y = x.astype(np.float32), np.array(["a well one", "ill"])[codes]
    net = fit(x[:250], y[:250], 0)
    given = {"members": (x[:250], y[:250]), "nonmembers": (x[250:], y[250:]), "task": "classification"}
    audit = seepage.audit(net, **given, access="weights", recipe=fit, shadows=8, profile="research")
    entries = {entry["attack"]: entry for entry in audit.to_dict()["evidence"]}
    entry = entries["membership/gradient-norm"]
    assert entry["access"] == "weights" and entry["cost"]["models"] == 8
    assert entry["metrics"]["auc"]["low"] > 0.6 and entry["rotation"]["auc"]["value"] > 0.6
    (bare,) = entry["variants"]
    assert entry["metrics"]["auc"]["value"] > bare["metrics"]["auc"]["value"]
    assert entry["control"]["passed"] is not False
    rows = {row["capability"]: row for row in audit.to_dict()["coverage"]}
    assert rows["C4"]["status"] == "executed"
    alone = seepage.audit(net, **given, access="weights", attacks=["membership/gradient-norm"])
    assert alone.evidence["membership/gradient-norm"].metrics["auc"].low > 0.5
    scores = seepage.audit(net, **given, access="scores", attacks=["membership/gradient-norm", "membership/loss"])
    assert "membership/gradient-norm" not in scores.evidence


def test_other_models_cannot_run_and_say_why() -> None:
    from sklearn.linear_model import LogisticRegression

    from seepage.api.session import prepare

    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.array([0, 1] * 30)
    model = LogisticRegression().fit(x[:30], y[:30])
    ready = prepare(
        model, (x[:30], y[:30]), (x[30:], y[30:]), access="weights", attacks=["membership/gradient-norm"], shadows=4
    )
    plan = ready.plan(timed=False)
    assert plan.attacks[0].status == "cannot run" and "torch module" in str(plan.attacks[0].reason)
    assert "gradient-norm" not in plan.readers
