"""The frame around fast trainers: the same numbers however they are run, nothing lost, and a plain way out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seepage.records import Records
from seepage.signals import read_signals
from seepage.spec import Access, Task
from seepage.targets import open_target
from seepage.training import EstimatorRecipe, Reference, draw_inclusion, draw_pool, run_shadows, train_shadows
from seepage.training.fast import bayes, chunk, ridge
from seepage.training.fast.choose import choose
from seepage.training.fast.design import ScaledRows, design_of
from seepage.work import SilentProgress, Store

RNG = np.random.default_rng(2)
N = 240
Y = np.where(RNG.random(N) < 0.4, "yes", "no")
X = RNG.normal(size=(N, 4)) + (Y == "yes")[:, None] * 0.7
RECIPE = EstimatorRecipe(GaussianNB())


@pytest.fixture
def small_stacks(monkeypatch):
    """Make stacks of four models, so that there are several."""
    monkeypatch.setattr(bayes.GaussianTrainer, "at_once", lambda self, n, width, n_classes: 4)


class Counting(SilentProgress):
    def __init__(self):
        self.done = []

    def advance(self, step, n=1):
        self.done.append(n)


def shadows(k=16, recipe=RECIPE, **options):
    given = {"task": Task.CLASSIFICATION, "seed": 7, "classes": np.array(["no", "yes"]), **options}
    readers = ("residual",) if given["task"] is Task.REGRESSION else ("margin", "correct")
    y = (Y == "yes") * 1.0 if given["task"] is Task.REGRESSION else Y
    return run_shadows(recipe, Records(X, y), draw_pool(np.arange(N), k, seed=1), readers, **given)


def same(a, b):
    return a.arrays.keys() == b.arrays.keys() and all(np.array_equal(a.arrays[n], b.arrays[n]) for n in a.arrays)


def test_killed_after_two_stacks_and_resumed(small_stacks, monkeypatch, tmp_path):
    whole, store, stacks = shadows(), Store(tmp_path / "s"), []
    train = chunk.train_chunk

    def killed(job, item):
        stacks.append(item.models)
        if len(stacks) > 2:
            raise KeyboardInterrupt
        return train(job, item)

    for module in ("seepage.training.fast.run.train_chunk", "seepage.training.fast.chunk.train_chunk"):
        monkeypatch.setattr(module, killed)
    with pytest.raises(KeyboardInterrupt):
        shadows(store=store)
    assert len(store.ls()) == 8
    monkeypatch.undo()
    monkeypatch.setattr(bayes.GaussianTrainer, "at_once", lambda self, n, width, n_classes: 4)
    progress = Counting()
    assert same(shadows(store=store, progress=progress), whole)
    assert progress.done == [8] + [1] * 8


def test_more_models_keep_the_first(small_stacks, tmp_path):
    store, progress = Store(tmp_path / "s"), Counting()
    first = shadows(16, store=store)
    more = shadows(32, store=store, progress=progress)
    assert progress.done == [16] + [1] * 16
    assert np.array_equal(more.arrays["margin"][:16], first.arrays["margin"])
    assert same(more, shadows(32))


def test_a_row_in_the_store_belongs_to_its_trainer(tmp_path):
    store = Store(tmp_path / "s")
    shadows(4, store=store)
    progress = Counting()
    assert shadows(4, store=store, trainer="one-by-one", progress=progress).trainer == "one-by-one"
    assert progress.done == [0] + [1] * 4


def test_processes_give_the_same_bits(small_stacks):
    assert same(shadows(), shadows(engine="local", jobs=2))
    scaled = EstimatorRecipe(make_pipeline(StandardScaler(), GaussianNB()))
    assert same(shadows(recipe=scaled), shadows(recipe=scaled, engine="local", jobs=2))


def test_models_do_not_depend_on_the_others_in_the_stack(monkeypatch):
    together = shadows(16)
    monkeypatch.setattr(bayes.GaussianTrainer, "at_once", lambda self, n, width, n_classes: 3)
    assert np.allclose(shadows(16).arrays["margin"], together.arrays["margin"], rtol=1e-5, atol=1e-6)


def test_a_wrong_trainer_is_found_out(monkeypatch):
    right = shadows(8, trainer="one-by-one")
    monkeypatch.setattr(bayes, "_log_priors", lambda given, count, *, fitted=True: np.zeros(count.shape))
    found_out = shadows(8)
    assert found_out.trainer == "one-by-one"
    assert same(found_out, right)
    assert "trained one by one" in found_out.notes[0]
    assert "not the one a plain fit makes" in found_out.notes[0]
    assert "in probability (allowed 1e-05)" in found_out.notes[0]


def test_a_wrong_regression_is_found_out(monkeypatch):
    solve = ridge.RidgeTrainer._solved

    def off(self, products, unit, is_scaled):
        weights, constant, alone = solve(self, products, unit, is_scaled)
        return weights * 1.001, constant, alone

    monkeypatch.setattr(ridge.RidgeTrainer, "_solved", off)
    made = train_shadows(Ridge(), (X, X[:, 0]), 4)
    assert made.trainer == "one-by-one"
    assert "standard deviations of the outcome" in made.notes[0]


def test_a_trainer_that_breaks_later_is_given_up(small_stacks, monkeypatch):
    means = bayes.moments
    calls = []

    def broken(members, rows):
        calls.append(1)
        if len(calls) > 4:
            raise FloatingPointError("no more")
        return means(members, rows)

    monkeypatch.setattr(bayes, "moments", broken)
    made = shadows(12)
    assert made.trainer == "one-by-one"
    assert "given up: FloatingPointError: no more" in made.notes[0]
    assert same(made, shadows(12, trainer="one-by-one"))


@pytest.mark.parametrize(
    ("estimator", "x", "reason"),
    [
        (GaussianNB(), np.where(X > 9, np.nan, X).astype(object), "not all numbers"),
        (make_pipeline(StandardScaler(), GaussianNB()), pd.DataFrame(X).astype("string"), ""),
    ],
)
def test_features_that_are_no_numbers_go_the_plain_way(estimator, x, reason):
    made = train_shadows(estimator, (x, Y), 4)
    assert made.arrays["margin"].shape == (4, N)
    assert made.trainer == "one-by-one" or not made.notes
    assert reason in "".join(made.notes)


def test_the_target_is_proof_enough(monkeypatch):
    """With the target's own signals no plain fit is needed; with another model's there is one."""
    inside = np.arange(N) < N // 2
    records = Records(X, Y)
    model = RECIPE.fit(records.take(inside), 7)
    target = open_target(model, access=(Access.SCORES,), task=Task.CLASSIFICATION)
    signals = read_signals(target, records, ("margin",), floor=1e-7)
    fits = []
    fit = EstimatorRecipe.fit

    def counted(self, own, seed):
        fits.append(own.n)
        return fit(self, own, seed)

    monkeypatch.setattr(EstimatorRecipe, "fit", counted)
    made = shadows(4, reference=Reference(inside, signals))
    assert (made.trainer, fits) == ("gaussian-nb", [])
    moved = {"margin": signals["margin"] + np.float32(0.3)}
    made = shadows(4, reference=Reference(inside, moved))
    assert (made.trainer, fits) == ("gaussian-nb", [N // 2])
    assert same(made, shadows(4))


def test_population_other_orders_of_classes_and_progress():
    population = Records(RNG.normal(size=(30, 4)), np.repeat(["yes", "no", "never"], 10))
    progress = Counting()
    made = shadows(6, classes=np.array(["yes", "maybe", "no"]), population=population, progress=progress)
    plain = shadows(6, classes=np.array(["yes", "maybe", "no"]), population=population, trainer="one-by-one")
    assert made.trainer == "gaussian-nb"
    assert progress.done == [0] + [1] * 6
    assert made.population["margin"].shape == (6, 30)
    for name in ("arrays", "population"):
        fast, slow = (expit(getattr(one, name)["margin"].astype(float)) for one in (made, plain))
        assert np.abs(fast - slow).max() < 1e-6
        assert np.array_equal(getattr(made, name)["correct"], getattr(plain, name)["correct"])
    assert np.array_equal(made.arrays["margin"], shadows(6).arrays["margin"])
    assert (made.seconds > 0).all()


def test_fixed_members_and_models():
    records = Records(X, Y)
    inclusion = draw_inclusion(records.ids, np.arange(N) < 200, 8, seed=1)
    given = {"task": Task.CLASSIFICATION, "seed": 7}
    few = run_shadows(RECIPE, records, inclusion, ("margin",), models=3, **given)
    assert len(few.inclusion.mask) == 3
    all_of_them = run_shadows(RECIPE, records, inclusion, ("margin",), **given)
    assert np.allclose(few.arrays["margin"], all_of_them.arrays["margin"][:3], rtol=1e-5, atol=1e-6)


def test_a_scaler_in_front_is_scikit_learns():
    x = np.column_stack([X, np.full(N, 0.1), np.arange(N) == 3, X[:, 0] + 1e7])
    members = draw_pool(np.arange(N), 6, seed=0).included
    choice = choose(EstimatorRecipe(make_pipeline(StandardScaler(), GaussianNB())), Task.CLASSIFICATION)
    design = design_of(choice, Records(x, Y), Records(x, Y), members, range(6))
    assert isinstance(design, ScaledRows)
    written = design.written_out()
    for model, inside in enumerate(members):
        expected = StandardScaler().fit(x[inside]).transform(x)
        assert np.allclose(design[model], expected, rtol=1e-7, atol=1e-7)
        assert np.array_equal(written[model], design[model])
