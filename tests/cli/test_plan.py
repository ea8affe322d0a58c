"""`seepage plan`: the whole first, then the steps; what it measured is not measured again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from seepage.cli.plan import describe_plan

from .conftest import Seepage

CONFIG = """
[target]
model = "model.skops"
access = "scores"
task = "classification"
[data]
members = "train.parquet"
nonmembers = "holdout.parquet"
label = "ill"
id = "nr"
[recipe]
function = "train.py:fit"
[audit]
attacks = ["membership/loss", "membership/rmia"]
shadows = 4
"""
FIT = """
from sklearn.tree import DecisionTreeClassifier

def fit(X, y, seed):
    with open("fits.txt", "a") as file:
        file.write("one\\n")
    return DecisionTreeClassifier(random_state=seed).fit(X, y)
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a model, its tables, a recipe that counts its calls, and audit.toml."""
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 3))
    ill = (x[:, 0] + draw.normal(size=200) > 0).astype(int)
    table = pl.DataFrame({"nr": [str(i) for i in range(200)], "a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "ill": ill})
    table[:100].write_parquet(tmp_path / "train.parquet")
    table[100:].write_parquet(tmp_path / "holdout.parquet")
    skops.io.dump(DecisionTreeClassifier(random_state=0).fit(x[:100], ill[:100]), tmp_path / "model.skops")
    (tmp_path / "train.py").write_text(FIT)
    (tmp_path / "audit.toml").write_text(CONFIG)
    return tmp_path


def fits(folder: Path) -> int:
    file = folder / "fits.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_the_document_foretells_time_and_memory(seepage: Seepage, here: Path) -> None:
    done = seepage("plan", "audit.toml", "--jobs", 1, "--json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["seconds"] == pytest.approx(sum(step["seconds"] or 0 for step in document["steps"]))
    assert document["memory_mb"] > 50 and document["available_mb"] > 0
    assert 0 < document["seconds_measuring"] < 60
    assert document["trainer"].startswith("one by one")


def test_measuring_happens_once_and_the_audit_does_not_repeat_it(seepage: Seepage, here: Path) -> None:
    assert seepage("plan", "audit.toml", "--jobs", 1).exit_code == 0
    tried = fits(here)
    assert 1 <= tried <= 3
    assert seepage("plan", "audit.toml", "--jobs", 1).exit_code == 0
    assert fits(here) == tried
    assert seepage("audit", "audit.toml", "--jobs", 1, "--budget", "10m").exit_code == 0
    assert fits(here) == tried + 4


def test_time_and_memory_come_first_then_the_trainer_then_the_steps(seepage: Seepage, here: Path) -> None:
    lines = seepage("plan", "audit.toml", "--jobs", 1).stdout.splitlines()
    assert lines[0].startswith("About ") and "of memory" in lines[0]
    assert lines[1].startswith("4 shadow models") and "one by one" in lines[1]
    assert any(line.startswith("step ") for line in lines)


def test_a_budget_shows_what_it_does(seepage: Seepage, here: Path) -> None:
    shown = seepage("plan", "audit.toml", "--jobs", 1, "--shadows", 4, "--budget", "0.1s").stdout
    assert "the budget of 0.1 s is too short" in shown


def test_a_plan_without_measures_has_steps_only() -> None:
    step = {"step": "read the target", "status": "will run", "seconds": None, "memory_mb": None}
    text = describe_plan({"steps": [step], "notes": ["mind the gap"]})
    assert text.splitlines()[0] == "Note: mind the gap" and "read the target" in text and "About" not in text
