"""What travels to workers on other machines, and what comes back: functions, data, items, answers and errors as bytes.

A machine of a cluster may lack the user's own files, so code that is not installed travels with the work.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from seepage.work.engine import one_thread
from seepage.work.parcel import pickle_library

__all__ = ["Packed", "answer_of", "compute", "pack", "pickled"]

_ALIGN = 64
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# items seed global generators, catch warnings and set thread counts: two in one process would disturb each other
_alone = threading.RLock()


@final
@dataclass(frozen=True, eq=False)
class Packed:
    """Something pickled, its arrays and buffers kept apart so that no copy is made on the way.

    Examples
    --------
    >>> pack({"x": np.arange(3.0)}).open()
    {'x': array([0., 1., 2.])}
    """

    head: bytes
    buffers: tuple[NDArray[np.uint8], ...] = ()

    def open(self) -> Any:
        """Return the content; its arrays are copies, which may be written to."""
        return pickle.loads(self.head, buffers=[_own_copy(buffer) for buffer in self.buffers])


def pack(content: Any) -> Packed:
    """Pack what all items share, without copying its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickled(content, buffers)
    return Packed(head, tuple(np.asarray(buffer.raw()) for buffer in buffers))


def pickled(content: Any, buffers: list[pickle.PickleBuffer] | None = None) -> bytes:
    """Return the content as bytes that also load where the user's own modules are missing.

    Functions and classes of modules that lie outside the installed packages travel as code. A class whose objects are
    otherwise found again by a file's name says with `__reduce_by_value__` what to send instead.

    Parameters
    ----------
    buffers : takes up arrays and the like, which are then left out of the bytes.

    Examples
    --------
    >>> pickle.loads(pickled(lambda x: x + 1))(1)
    2
    """
    library = pickle_library()

    class Pickler(library.Pickler):  # type: ignore[misc, name-defined]
        def reducer_override(self, thing: Any) -> Any:
            by_value = getattr(type(thing), "__reduce_by_value__", None)
            return super().reducer_override(thing) if by_value is None else by_value(thing)

    kept = 0 if buffers is None else len(buffers)
    file = BytesIO()
    try:
        with _own_code_by_value(library):
            Pickler(file, protocol=5, buffer_callback=None if buffers is None else buffers.append).dump(content)
    except Exception:
        # own modules may hold what cannot travel (locks, handles); they may still exist on the workers
        file = BytesIO()
        if buffers is not None:
            del buffers[kept:]
        Pickler(file, protocol=5, buffer_callback=None if buffers is None else buffers.append).dump(content)
    return file.getvalue()


def compute(opened: Callable[[], tuple[Callable[[Any, Any], Any], Any]], item: bytes) -> bytes:
    """Compute one item on a worker and return the answer as bytes; `answer_of` reads it.

    Parameters
    ----------
    opened : returns the function and what all items share, loaded once in this process.
    item : pickled.
    """
    with _alone:
        try:
            with _one_thread_from_the_start():
                function, shared = opened()
                with one_thread():
                    result = function(shared, pickle.loads(item))
            return pickled((result, None, ""))
        except BaseException as error:
            return _failed(error)


def answer_of(answer: bytes) -> Any:
    """Return the result of an item, or raise the error it ended with; where it arose is noted on the error."""
    result, error, trace = pickle.loads(answer)
    if error is None:
        return result
    make, given = error
    failure = make(*given)
    failure.add_note(f"On the worker:\n{trace}")
    raise failure


def _failed(error: BaseException) -> bytes:
    """Pack an error in the first form that arrives as what it was; many classes cannot be pickled as they are."""
    trace = "".join(traceback.format_exception(error))
    kind = type(error)
    for form in (
        (_itself, (error,)),
        (_made, (kind, error.args, dict(error.__dict__))),
        (kind, error.args),
        (_made, (kind, error.args, {})),
    ):
        try:
            answer = pickled((None, form, trace))
            answer_of(answer)
        except BaseException as back:
            if type(back) is kind and str(back) == str(error):
                return answer
    return pickled((None, (RuntimeError, (f"{kind.__name__}: {error}",)), trace))


def _itself(error: BaseException) -> BaseException:
    return error


def _made(kind: type[BaseException], arguments: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Make an error without calling it: its own way of being called may not be that of its arguments."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


@contextmanager
def _one_thread_from_the_start() -> Iterator[None]:
    """Have numerical libraries that are loaded meanwhile start with one thread."""
    absent = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(absent, "1"))
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)


@contextmanager
def _own_code_by_value(library: ModuleType) -> Iterator[None]:
    known = library.list_registry_pickle_by_value()
    own = [module for name, module in list(sys.modules.items()) if name not in known and _is_own(name, module)]
    for module in own:
        library.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            library.unregister_pickle_by_value(module)


def _is_own(name: str, module: Any) -> bool:
    """Tell whether a module lies outside the installed packages; this package is on every worker."""
    place = getattr(module, "__file__", None)
    if name == "__main__" or name.partition(".")[0] == "seepage" or not isinstance(place, str):
        return False
    if getattr(module, "__name__", None) != name:
        return False
    path = Path(place)
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not any(path.is_relative_to(prefix) for prefix in prefixes)


def _own_copy(buffer: NDArray[np.uint8]) -> memoryview:
    """Copy to memory of the alignment that fresh arrays have, so that sums add up in the same order."""
    room = np.empty(buffer.nbytes + _ALIGN, dtype=np.uint8)
    start = -room.ctypes.data % _ALIGN
    room[start : start + buffer.nbytes] = buffer
    return room[start : start + buffer.nbytes].data
