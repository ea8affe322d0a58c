"""LT-IQR: quartiles by hand, where losses come from, wrong traces, planted wrong labels, agreement with LiRA."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import seepage
from seepage import Options
from seepage.attacks.membership.loss_history import check_trace, lacks_history, loss_history
from seepage.attacks.membership.loss_trace import LossTrace, vulnerability
from seepage.cli.inputs import prepare_from
from seepage.errors import InputError
from seepage.spec.config import read_config
from seepage.testing import toy_auditor_scene, toy_leaky_scene, toy_safe_scene
from seepage.testing.auditor import ToyTarget

NAME = "membership/loss-trace"
COLUMN = f"{NAME}:spread of the loss"


@pytest.fixture(scope="module")
def digits():
    """Digits of which 20 of 400 members have a wrong label, and who they are."""
    x, y = load_digits(n_class=5, return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(y))[:800]
    x, y = x[order], y[order].copy()
    wrong = np.zeros(400, dtype=bool)
    wrong[rng.choice(400, 20, replace=False)] = True
    y[:400][wrong] = (y[:400][wrong] + rng.integers(1, 5, 20)) % 5
    return x, y, wrong


def view_of(model, task="classification"):
    return toy_auditor_scene(task, leaky=True, seed=0, model=model, n=200)


def test_the_range_is_that_of_the_quartiles():
    scene = view_of(GradientBoostingClassifier(n_estimators=5, random_state=0))
    trace = np.random.default_rng(0).random((9, 100))
    scene = replace(scene, auditor=replace(scene.auditor, loss_trace=trace))
    measures = LossTrace().run(scene)
    low, high = np.percentile(trace, [25, 75], axis=0)
    np.testing.assert_allclose(measures.per_record["spread of the loss"], high - low)
    assert measures.aggregates["epochs"] == 9 and measures.flags == ()
    assert any("recorded while the audited model was trained" in note for note in measures.notes)


def test_stages_are_the_audited_models_own():
    scene = view_of(GradientBoostingClassifier(n_estimators=6, random_state=0))
    history = loss_history(scene.auditor, 0)
    model, members = scene.auditor.target.inside(), scene.auditor.split.members
    for losses, p in zip(history.losses, model.staged_predict_proba(members.x), strict=True):
        np.testing.assert_allclose(losses, -np.log(p[np.arange(100), members.y]))
    scene = view_of(make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=250)), "regression")
    assert loss_history(scene.auditor, 0).losses.shape == (100, 100)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "task"),
    [
        (MLPClassifier((16,), max_iter=30, random_state=0), "classification"),
        (MLPRegressor(hidden_layer_sizes=(16,), max_iter=30, early_stopping=True, random_state=0), "regression"),
        (make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)), "classification"),
    ],
)
def test_models_with_epochs_are_trained_once_more_and_the_same_twice(model, task):
    view = view_of(model, task).auditor
    one, two = loss_history(view, 0), loss_history(view, 0)
    np.testing.assert_array_equal(one.losses, two.losses)
    assert one.losses.shape[1] == 100 and len(one.losses) >= 4
    assert one.losses[-1].mean() < one.losses[0].mean()
    assert "not the audited one" in one.source


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "why"),
    [
        (RandomForestClassifier(5), "RandomForestClassifier cannot be asked"),
        (MLPClassifier((4,), solver="lbfgs", max_iter=20), "no epochs"),
        (SGDClassifier(), "no probabilities"),
    ],
)
def test_other_models_cannot_run_and_say_what_would_help(model, why):
    view = view_of(model).auditor
    reason, remedy = lacks_history(view.target, None)
    assert why in reason and "options.loss_trace" in remedy
    assert lacks_history(view.target, np.zeros((4, 100))) is None
    with pytest.raises(InputError, match=why):
        loss_history(view, 0)
    assert "not at hand" in lacks_history(ToyTarget(view.target.model, "function"), None)[0]
    assert "not at hand" in lacks_history(None, None)[0]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (np.ones((4, 5)), r"\(epochs, 3\)"),
        (np.ones(3), r"\(epochs, 3\)"),
        (np.ones((3, 3)), "at least 4 epochs"),
        (np.full((4, 3), np.inf), "not finite"),
        ([["a"] * 3] * 4, "numbers"),
    ],
)
def test_a_wrong_trace_is_refused(trace, message):
    with pytest.raises(InputError, match=message):
        check_trace(trace, 3)


def test_wrong_labels_are_ranked_at_risk_by_stages_and_by_epochs(digits):
    x, y, wrong = digits
    sides = (x[:400] / 16, y[:400]), (x[400:] / 16, y[400:])
    for model in (
        GradientBoostingClassifier(n_estimators=40, max_depth=3, random_state=0),
        MLPClassifier((64,), learning_rate_init=0.01, max_iter=120, tol=0, n_iter_no_change=200, random_state=0),
    ):
        with pytest.warns() if isinstance(model, MLPClassifier) else np.errstate():
            model.fit(*sides[0])
        audit = seepage.audit(model, *sides, access="labels", attacks=["membership/gap", NAME], shadows=2)
        members = audit.records().filter(audit.records()["set"] == "member")
        assert roc_auc_score(wrong, members[COLUMN].to_numpy()) > 0.8
        assert audit.records().filter(audit.records()["set"] == "nonmember")[COLUMN].is_nan().all()


def test_a_trace_goes_in_by_the_options_and_a_forest_without_one_is_not_run(digits):
    x, y, _ = digits
    sides = (x[:400], y[:400]), (x[400:], y[400:])
    model = RandomForestClassifier(10, random_state=0).fit(*sides[0])
    settings = {"access": "scores", "attacks": ["membership/loss", NAME], "shadows": 2}
    bare = seepage.audit(model, *sides, **settings).to_dict()
    row = next(row for row in bare["coverage"] if row["capability"] == "C12")
    assert row["status"] == "not_run" and "cannot be asked" in row["reason"]
    trace = np.random.default_rng(0).random((6, 400))
    audit = seepage.audit(model, *sides, **settings, options=Options(loss_trace=trace))
    assert audit.to_dict()["evidence"][-1]["aggregates"]["epochs"] == 6
    with pytest.raises(InputError, match="loss_trace must have"):
        seepage.audit(model, *sides, **settings, options=Options(loss_trace=trace[:, :5]))
    with pytest.raises(InputError, match="trained before"):
        seepage.audit(model, data=sides[0], holdout=0.5, **settings, options=Options(loss_trace=trace))


def test_it_agrees_with_lira_beyond_chance(digits):
    x, y, _ = digits
    sides = (x[:400], y[:400]), (x[400:], y[400:])
    model = GradientBoostingClassifier(n_estimators=25, max_depth=3, random_state=0).fit(*sides[0])
    attacks = ["membership/lira", NAME]
    audit = seepage.audit(model, *sides, access="scores", attacks=attacks, shadows=16)
    said = next(e for e in audit.to_dict()["evidence"] if e["attack"] == NAME)["aggregates"]
    assert said["compared_with_lira"] == 400
    assert said["chance_at_5_percent"] == pytest.approx(0.05)
    assert said["precision_at_5_percent"] >= 4 * said["chance_at_5_percent"]


def test_vulnerability_is_half_where_nothing_leaks():
    assert np.median(vulnerability(toy_safe_scene("classification", 0, shadows=32).shadows)) == pytest.approx(
        0.5, abs=0.03
    )
    assert np.median(vulnerability(toy_leaky_scene("classification", 0, shadows=32).shadows)) > 0.7


def test_wrong_quantiles_are_refused():
    with pytest.raises(InputError, match="low < high"):
        LossTrace(low=0.8, high=0.2)
    with pytest.raises(InputError, match="auditor's view"):
        LossTrace().run(toy_leaky_scene("classification", 0))


def test_audit_toml_names_the_trace(tmp_path, digits):
    import skops.io as skops

    x, y, _ = digits
    skops.dump(RandomForestClassifier(5, random_state=0).fit(x[:400], y[:400]), tmp_path / "model.skops")
    for name, rows in (("in", slice(0, 400)), ("out", slice(400, 800))):
        table = np.column_stack([x[rows], y[rows]])
        np.savetxt(
            tmp_path / f"{name}.csv",
            table,
            "%g",
            ",",
            header=",".join([*map("x{}".format, range(64)), "y"]),
            comments="",
        )
    (tmp_path / "audit.toml").write_text(
        '[target]\nmodel = "model.skops"\naccess = ["scores"]\n'
        '[data]\nmembers = "in.csv"\nnonmembers = "out.csv"\nlabel = "y"\nloss_trace = "trace.npy"\n'
        f'[audit]\nattacks = ["{NAME}"]\n'
    )
    with pytest.raises(InputError, match="no .npy file"):
        prepare_from(read_config(tmp_path / "audit.toml"))
    np.save(tmp_path / "trace.npy", np.random.default_rng(0).random((5, 400)))
    prepared = prepare_from(read_config(tmp_path / "audit.toml"))
    assert prepared.case.loss_trace.shape == (5, 400)
    assert prepared.plan(timed=False).attacks[0].runs
