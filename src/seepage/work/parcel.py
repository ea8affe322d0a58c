"""Ship data that all items share to worker processes once, as memory they map rather than copies they keep.

The parcel lies in a private temporary folder of this machine and is read only by the workers this process started.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
import shutil
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Parcel", "end_with_parent", "pickle_library", "unpack"]

_ALIGN = 64
_opened: dict[str, Any] = {}
_watched: set[str] = set()


class Parcel:
    """Shared data on its way to the workers; a context manager that removes the files at the end.

    Arrays, the blocks of data frames and arrow buffers go into one file that every worker maps copy-on-write: pages
    nobody changes exist once in memory, however many workers read them.
    """

    def __init__(self, content: Any) -> None:
        self._content = content
        self.folder = ""

    def __enter__(self) -> str:
        """Write the files and return the folder's path, which `unpack` takes."""
        cloudpickle = pickle_library()
        self.folder = tempfile.mkdtemp(prefix="seepage-")
        try:
            buffers: list[pickle.PickleBuffer] = []
            head = cloudpickle.dumps(self._content, protocol=5, buffer_callback=buffers.append)
            spans: list[tuple[int, int]] = []
            with open(Path(self.folder) / "buffers", "wb") as file:
                for buffer in buffers:
                    file.write(b"\0" * (-file.tell() % _ALIGN))
                    raw = buffer.raw()
                    spans.append((file.tell(), raw.nbytes))
                    file.write(raw)
            (Path(self.folder) / "head").write_bytes(pickle.dumps((head, spans)))
        except BaseException:
            self._remove()
            raise
        return self.folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the files; workers that still map them keep what they have."""
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def pickle_library() -> Any:
    """Return cloudpickle, which also pickles lambdas, closures and what a script defines."""
    try:
        return importlib.import_module("cloudpickle")
    except ImportError:
        # joblib before 1.6 brings its own copy instead of requiring it
        return importlib.import_module("joblib.externals.cloudpickle")


def unpack(folder: str) -> Any:
    """Return the parcel's content; the second call in the same process costs nothing."""
    if folder not in _opened:
        _opened.clear()
        head, spans = pickle.loads((Path(folder) / "head").read_bytes())
        view = memoryview(b"")
        if any(size for _, size in spans):
            with open(Path(folder) / "buffers", "rb") as file:
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        _opened[folder] = pickle.loads(head, buffers=[view[start : start + size] for start, size in spans])
    return _opened[folder]


def end_with_parent(folder: str) -> None:
    """End this worker, and take the parcel away, once the process that started it is gone.

    A killed process can do neither itself: its workers would train on for nobody and then idle for minutes, and the
    training data would stay in the temporary folder. The second call for the same parcel does nothing.
    """
    if folder in _watched:
        return
    _watched.add(folder)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            if not os.path.isdir(folder):
                return
            time.sleep(0.5)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
