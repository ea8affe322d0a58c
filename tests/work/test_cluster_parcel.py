"""What travels to a cluster's workers loads where the user's own files are missing, and errors stay what they are."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from seepage.errors import AccessDenied, MissingExtra, SeepageError
from seepage.work.cluster_parcel import answer_of, compute, pack, pickled


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's own, imported, whose file is gone afterwards."""
    place = tmp_path / "made_at_home.py"
    place.write_text(
        "import threading\n"
        "FACTOR = 3\n"
        "LOCK = threading.Lock()\n"
        "class Made:\n    def __init__(self, x):\n        self.x = x\n"
        "def times(shared, item):\n    return Made(FACTOR * item)\n"
        "def guarded(shared, item):\n    with LOCK:\n        return item\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("made_at_home")
    place.unlink()
    yield module
    del sys.modules["made_at_home"]


def elsewhere(content: bytes) -> str:
    """Load the bytes in a process that has seepage and nothing of ours, call them, and return what is printed."""
    code = "import pickle, sys; f = pickle.loads(sys.stdin.buffer.read()); print(f(None, 5).x)"
    done = subprocess.run([sys.executable, "-P", "-c", code], input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_own_code_travels_with_the_work(own_module):
    assert elsewhere(pickled(own_module.times)) == "15"


def test_pickling_leaves_the_registry_as_it_was(own_module):
    from seepage.work.parcel import pickle_library

    before = set(pickle_library().list_registry_pickle_by_value())
    pickled(own_module.times)
    assert set(pickle_library().list_registry_pickle_by_value()) == before


def test_own_classes_come_back_as_themselves(own_module):
    answer = compute(lambda: (own_module.times, None), pickled(4))
    made = answer_of(answer)
    assert type(made) is own_module.Made
    assert made.x == 12


def test_code_that_cannot_travel_goes_by_its_name(own_module):
    assert pickle.loads(pickled(own_module.guarded)) is own_module.guarded


def test_packages_go_by_name():
    assert b"numpy" in pickled(np.linalg.norm)
    assert len(pickled(np.linalg.norm)) < 200


class FromFile:
    """Found again by a file's name, unless it says otherwise."""

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return open, ("/nowhere",)

    def __reduce_by_value__(self):
        return FromFile, (self.function,)


def test_things_known_by_a_file_can_travel_by_value():
    assert pickle.loads(pickled(FromFile(lambda: 7))).function() == 7


def test_packed_arrays_are_not_copied_on_the_way_and_are_ours_on_arrival():
    x = np.arange(1000.0).reshape(10, 100)
    frozen = np.arange(5)
    frozen.flags.writeable = False
    packed = pack({"x": x, "empty": np.empty(0), "frozen": frozen})
    assert any(np.shares_memory(buffer, x) for buffer in packed.buffers)
    assert len(packed.head) < 2000
    one, other = packed.open(), pickle.loads(pickle.dumps(packed)).open()
    one["x"][0, 0] = -1.0
    assert x[0, 0] == other["x"][0, 0] == 0.0
    assert one["x"].ctypes.data % 64 == 0
    assert other["empty"].size == 0
    assert np.array_equal(other["frozen"], frozen)


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class NeverTheSame(Exception):
    def __reduce__(self):
        raise TypeError("no")

    def __new__(cls, *arguments):
        if arguments != ("first",):
            raise TypeError("no")
        return super().__new__(cls, *arguments)

    def __init__(self, text):
        super().__init__("changed")


def failing(error):
    def work(shared, item):
        raise error

    return work


@pytest.mark.parametrize(
    "error",
    [
        MissingExtra("this", "torch"),
        AccessDenied("no"),
        FileNotFoundError(2, "not there", "x.csv"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        SystemExit(3),
        Unpicklable(),
    ],
)
def test_errors_arrive_as_what_they_are(error):
    with pytest.raises(type(error)) as caught:
        answer_of(compute(lambda: (failing(error), None), pickled(0)))
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert "in work" in caught.value.__notes__[0]
    if isinstance(error, MissingExtra):
        assert caught.value.extra == "torch"
        assert isinstance(caught.value, SeepageError)
    if isinstance(error, FileNotFoundError):
        assert caught.value.filename == "x.csv"


def test_an_error_that_cannot_travel_at_all_is_told_in_words():
    with pytest.raises(RuntimeError, match="NeverTheSame: changed"):
        answer_of(compute(lambda: (failing(NeverTheSame("first")), None), pickled(0)))


def test_a_result_that_cannot_travel_is_an_error():
    with pytest.raises(TypeError, match="lock"):
        answer_of(compute(lambda: (lambda shared, item: threading.Lock(), None), pickled(0)))
