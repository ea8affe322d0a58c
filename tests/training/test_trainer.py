"""Shadow training: the same numbers wherever and however often it is run, and nothing lost when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from seepage.errors import InputError, RecipeError
from seepage.records import Records
from seepage.spec import Task
from seepage.training import (
    EstimatorRecipe,
    FunctionRecipe,
    draw_inclusion,
    run_shadows,
    train_shadows,
)
from seepage.work import SilentProgress, Store

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:160], Y[:160]
MEMBER = np.arange(160) < 80


def setting(k=6):
    records = Records(X, np.where(Y == 1, "benign", "malignant"))
    return records, draw_inclusion(records.ids, MEMBER, k, seed=1)


def shadows(recipe, k=6, **options):
    records, inclusion = setting(k)
    given = {"task": Task.CLASSIFICATION, "seed": 7, "classes": np.array(["benign", "malignant"]), "floor": 0.01}
    return run_shadows(recipe, records, inclusion, ("margin", "correct"), **{**given, **options})


def same(a, b):
    return (
        all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays) and a.arrays.keys() == b.arrays.keys()
    )


class Counting(SilentProgress):
    def __init__(self):
        self.log = []

    def start(self, step, total):
        self.log.append((step, total))

    def advance(self, step, n=1):
        self.log.append(n)

    def finish(self, step):
        self.log.append("end")


def test_memory_disk_processes_and_resumed_are_the_same(tmp_path):
    recipe = EstimatorRecipe(RandomForestClassifier(10))
    plain = shadows(recipe)
    assert plain.arrays["margin"].shape == (6, 160)
    assert plain.arrays["margin"].dtype == np.float32
    assert (plain.seconds > 0).all()
    store = Store(tmp_path / "s")
    assert same(plain, shadows(recipe, store=Store()))
    assert same(plain, shadows(recipe, store=store, engine="local", jobs=2))
    counting = Counting()
    again = shadows(recipe, store=store, progress=counting)
    assert same(plain, again)
    assert counting.log == [("shadow models", 6), 6, "end"]
    assert len(store.ls()) == 6


def test_signals_equal_a_second_implementation():
    signals = shadows(EstimatorRecipe(GaussianNB()), k=3)
    records, inclusion = setting(3)
    for k in range(3):
        is_in = inclusion.mask[k] != 0
        model = GaussianNB().fit(X[is_in], records.y[is_in])
        p = model.predict_proba(X)[np.arange(160), (records.y == "malignant").astype(int)]
        expected = np.log(np.clip(p, 0.01, 1)) - np.log(np.clip(1 - p, 0.01, 1))
        assert np.allclose(signals.arrays["margin"][k], expected, atol=1e-4)
        assert np.array_equal(signals.arrays["correct"][k], (model.predict(X) == records.y).astype(np.float32))


def test_sixteen_more_train_only_those(tmp_path):
    store, counting = Store(tmp_path / "s"), Counting()
    recipe = EstimatorRecipe(RandomForestClassifier(5))
    few = shadows(recipe, k=4, store=store)
    many = shadows(recipe, k=7, store=store, progress=counting)
    assert np.array_equal(many.arrays["margin"][:4], few.arrays["margin"])
    assert counting.log == [("shadow models", 7), 4, 1, 1, 1, "end"]
    prefix = shadows(recipe, k=7, store=store, models=3)
    assert np.array_equal(prefix.arrays["margin"], few.arrays["margin"][:3])
    assert prefix.inclusion.mask.shape == (3, 160)
    with pytest.raises(InputError, match="between 1 and 7"):
        shadows(recipe, k=7, models=8)


def test_anything_that_matters_changes_the_key(tmp_path):
    store = Store(tmp_path / "s")
    base = {"recipe": EstimatorRecipe(GaussianNB()), "k": 2, "store": store}
    changes = [{}, {"seed": 8}, {"floor": 0.02}, {"recipe": EstimatorRecipe(GaussianNB(var_smoothing=1e-3))}]
    changes.append({"population": Records(X[:5] + 1, Y[:5].astype(str))})
    for count, change in enumerate(changes, 1):
        shadows(**{**base, **change})
        assert len(store.ls()) == 2 * count


def test_a_flipped_byte_is_trained_again(tmp_path):
    store, counting = Store(tmp_path / "s"), Counting()
    recipe = EstimatorRecipe(RandomForestClassifier(5))
    first = shadows(recipe, store=store)
    path = sorted((tmp_path / "s" / "objects").rglob("*.npz"))[2]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert same(first, shadows(recipe, store=store, progress=counting))
    assert counting.log == [("shadow models", 6), 5, 1, "end"]
    assert len(store.notes) == 1


def test_unhashable_recipes_are_never_cached(tmp_path):
    store = Store(tmp_path / "s")
    recipe = EstimatorRecipe(RandomForestClassifier(3, random_state=np.random.RandomState(0)))
    assert recipe.fingerprint is None
    assert same(shadows(recipe, store=store), shadows(recipe))
    assert store.ls() == []


def test_a_failing_model_is_named_and_the_rows_before_it_stay(tmp_path):
    records, inclusion = setting()
    third = inclusion.included[3]

    def fit(x, y, seed):
        if len(x) == third.sum() and np.array_equal(x, records.x[third]):
            raise ValueError("singular matrix\nand more")
        return GaussianNB().fit(x, y)

    for engine in (None, "local"):
        store = Store()
        with pytest.raises(RecipeError, match=r"shadow model 3 could not .*ValueError: singular matrix \(in fit, line"):
            shadows(FunctionRecipe(fit), store=store, engine=engine, jobs=2)
        assert engine or len(store.ls()) == 3


def test_warnings_become_notes():
    def fit(x, y, seed):
        import warnings

        warnings.warn("did not converge", stacklevel=1)
        return GaussianNB().fit(x, y)

    assert shadows(FunctionRecipe(fit)).notes == ("6 of 6 shadow models warned: did not converge",)
    assert shadows(EstimatorRecipe(GaussianNB())).notes == ()


def test_population_is_read_by_the_same_models(tmp_path):
    recipe = EstimatorRecipe(DecisionTreeClassifier(max_depth=3))
    population = Records(load_breast_cancer().data[200:230], ["benign"] * 30)
    signals = shadows(recipe, population=population, store=Store(tmp_path / "s"))
    assert signals.population["margin"].shape == (6, 30)
    assert same(signals, shadows(recipe))
    assert shadows(recipe).population == {}


def test_a_class_of_one_record():
    y = np.zeros(40, dtype=int)
    y[20:] = 1
    y[7] = 2
    x = np.random.default_rng(0).normal(size=(40, 3))
    signals = train_shadows(DecisionTreeClassifier(), (x, y), 4)
    included = signals.inclusion.included[:, 7]
    assert included.sum() == 2
    assert (signals.arrays["margin"][included, 7] > 0).all()
    assert (signals.arrays["margin"][~included, 7] < 0).all()


def test_regression_keeps_the_sign():
    x, y = load_diabetes(return_X_y=True)
    signals = train_shadows(Ridge(), (x, y), 3, seed=5)
    is_in = signals.inclusion.included[1]
    expected = y - Ridge().fit(x[is_in], y[is_in]).predict(x)
    assert np.allclose(signals.arrays["residual"][1], expected, rtol=1e-4, atol=1e-3)
    assert (signals.arrays["residual"] < 0).any()
    assert list(train_shadows(lambda x, y, seed: Ridge().fit(x, y), (x, y), 2).arrays) == ["residual"]


def test_train_shadows_on_one_pool():
    signals = train_shadows(GaussianNB(), (X, Y), n_shadows=5, seed=3)
    assert signals.inclusion.mask.shape == signals.arrays["margin"].shape == (5, 160)
    assert (signals.inclusion.included.sum(axis=1) == 80).all()
    more = train_shadows(GaussianNB(), (X, Y), n_shadows=8, seed=3, trainer="one-by-one")
    assert np.array_equal(more.arrays["margin"][:5], signals.arrays["margin"])
    persons = np.repeat(np.arange(40), 4)
    by_person = train_shadows(GaussianNB(), Records(X, Y, persons=persons), 4)
    assert (by_person.inclusion.mask.reshape(4, 40, 4).std(axis=2) == 0).all()
    with pytest.raises(InputError, match="unknown trainer 'one-by-on'"):
        train_shadows(GaussianNB(), (X, Y), 4, trainer="one-by-on")
    with pytest.raises(InputError, match="got 1"):
        train_shadows(GaussianNB(), (X, Y), 1)
    with pytest.raises(InputError, match="whole numbers"):
        train_shadows(lambda x, y, seed: None, (X, np.arange(160)), 2)


def test_length_must_fit():
    records, inclusion = setting()
    with pytest.raises(InputError, match="covers 160 records, but there are 10"):
        run_shadows(
            EstimatorRecipe(GaussianNB()), records.take(np.arange(10)), inclusion, (), task=Task.CLASSIFICATION, seed=0
        )


SCRIPT = """
import sys, time
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.datasets import load_breast_cancer
from seepage.training import train_shadows
from seepage.work import Store

def fit(X, y, seed):
    with open(sys.argv[2], "a") as log:
        print(seed, file=log)
    time.sleep(0.1)
    return RandomForestClassifier(10, random_state=seed).fit(X, y)

signals = train_shadows(fit, load_breast_cancer(return_X_y=True), 10, store=Store(sys.argv[1]))
np.save(sys.argv[3], signals.arrays["margin"])
"""


def test_kill_9_in_the_middle_then_the_same_command_again(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)

    def start(name):
        arguments = [str(tmp_path / "run.py"), str(tmp_path / name), str(tmp_path / f"{name}.log")]
        return subprocess.Popen([sys.executable, *arguments, str(tmp_path / f"{name}.npy")])

    def rows():
        return len(list((tmp_path / "killed").rglob("*.npz")))

    process = start("killed")
    deadline = time.monotonic() + 40
    while rows() < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = rows()
    assert 4 <= kept < 10
    assert not (tmp_path / "killed.npy").exists()
    before = len((tmp_path / "killed.log").read_text().split())
    assert start("killed").wait(60) == 0
    after = len((tmp_path / "killed.log").read_text().split())
    assert after - before == 10 - kept
    assert start("whole").wait(60) == 0
    assert np.array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
