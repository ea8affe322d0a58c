"""A cluster started for one script is quiet, and gone with it, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

# no `if __name__ == "__main__"`: what a script defines travels, and the script is not run again
SCRIPT = """
import os, sys, time
from seepage.work import run_items

class Made:
    def __init__(self, x):
        self.x = x

def work(shared, item):
    with open("log", "a") as log:
        log.write(f"{item}\\n")
    print("said on a worker")
    time.sleep(float(os.environ["PACE"]))
    return Made(shared + item)

seen = {}
run_items(work, list(range(6)), shared=10, engine=sys.argv[1], jobs=2, on_result=seen.__setitem__)
print({item: made.x for item, made in seen.items()} == {i: 10 + i for i in range(6)}, type(seen[0]) is Made)
"""


@pytest.fixture(params=["ray", "dask"])
def script(request, tmp_path):
    """Start the script on a cluster of its own; afterwards nothing of it may run."""
    mark = uuid.uuid4().hex
    (tmp_path / "script.py").write_text(SCRIPT)

    def start(pace: float) -> subprocess.Popen[str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "DASK_"))}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "script.py", request.param],
            cwd=tmp_path,
            env={**plain, "PACE": str(pace), "SEEPAGE_TEST_MARK": mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    yield start
    until = time.monotonic() + 60
    while (left := _alive(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def _alive(mark: str) -> list[int]:
    """Return processes with this mark in their environment that are not mere zombies."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            ours = mark.encode() in (place / "environ").read_bytes()
            if ours and (place / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_a_script_without_a_guard_runs_once_and_quietly(script):
    with script(0.0) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "True True\n", "")


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_on_after_the_script_is_ended(script, kill, tmp_path):
    with script(20.0) as process:
        until = time.monotonic() + 120
        while not (tmp_path / "log").exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < until
            time.sleep(0.05)
        if kill == signal.SIGINT:
            os.killpg(process.pid, kill)  # as the terminal does
        else:
            os.kill(process.pid, kill)
        out, err = process.communicate(timeout=60)
    assert process.returncode == -kill
    assert out == ""
    if kill == signal.SIGINT:
        assert err.count("Traceback") == 1
        assert err.rstrip().endswith("KeyboardInterrupt")
    else:
        assert err == ""


AUDIT = """
[target]
access = "scores"
task = "classification"
[recipe]
function = "train.py:fit"
[data]
data = "all.csv"
holdout = 0.5
label = "ill"
[audit]
attacks = ["membership/lira"]
shadows = 8
"""
TRAIN = """
from sklearn.naive_bayes import GaussianNB


def fit(X, y, seed):
    return GaussianNB().fit(X, y)
"""


@pytest.fixture
def desk(tmp_path):
    """A folder with a table, a recipe and an audit.toml."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(200, 2)).round(3)
    ill = x[:, 0] + draw.normal(size=200) > 0
    rows = [f"{a},{b},{'yes' if is_ill else 'no'}" for (a, b), is_ill in zip(x, ill, strict=True)]
    (tmp_path / "all.csv").write_text("a,b,ill\n" + "\n".join(rows) + "\n")
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "audit.toml").write_text(AUDIT)
    return tmp_path


def _audit(folder: Path, engine: str) -> tuple[object, list[str]]:
    words = ["audit", "audit.toml", "--engine", engine, "--jobs", "2", "--store", f"store-{engine}", "-o", engine]
    done = subprocess.run(
        [sys.executable, "-m", "seepage", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    evidence = json.loads((folder / engine / "audit.json").read_text())["evidence"]
    assert evidence
    # what differs from run to run: its name, and how far it has come when it takes long
    said = [line for line in done.stderr.splitlines() if not line.startswith(("Run ", "shadow models:"))]
    return [{key: value for key, value in entry.items() if key != "cost"} for entry in evidence], said


def test_the_command_line_says_the_same_on_a_cluster(desk):
    assert _audit(desk, "ray") == _audit(desk, "local")
