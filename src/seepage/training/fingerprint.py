"""Hash what a recipe is made of: source, parameters and library versions. What cannot be hashed is never cached."""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from seepage.training.seeding import parameters_of

__all__ = ["Unhashable", "recipe_fingerprint"]


class Unhashable(Exception):
    """A part whose content cannot be told, such as a generator in mid-stream."""


def recipe_fingerprint(*parts: Any) -> str | None:
    """Return a hash of the parts and of all they are made of, or None if one of them cannot be hashed.

    Estimators count by class and parameters, functions by source with the globals, defaults and closures they use,
    arrays by their bytes. Versions of Python, NumPy, scikit-learn and of each package met on the way count too.

    Examples
    --------
    >>> recipe_fingerprint("a", 1) == recipe_fingerprint("a", 1) != recipe_fingerprint("a", 2)
    True
    >>> recipe_fingerprint(np.random.default_rng(0)) is None
    True
    """
    walk = _Walk()
    try:
        for part in parts:
            walk.add(part)
    except (Unhashable, RecursionError):
        return None
    for package in sorted(walk.packages | {"numpy", "sklearn"}):
        walk.write("package", f"{package} {_version(package)}")
    walk.write("python", platform.python_version())
    return walk.digest.hexdigest()


class _Walk:
    """One pass over an object and everything it refers to, writing tagged bytes into a hash."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.packages: set[str] = set()
        self._seen: dict[int, tuple[int, Any]] = {}

    def write(self, tag: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.digest.update(f"{tag}:{len(data)}:".encode() + data)

    def add(self, value: Any) -> None:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes, type(Ellipsis))):
            self.write(type(value).__name__, repr(value))
        elif isinstance(value, np.generic):
            self.write(str(value.dtype), repr(value.item()))
        elif id(value) in self._seen:
            self.write("again", str(self._seen[id(value)][0]))
        else:
            self._seen[id(value)] = (len(self._seen), value)
            self._add_compound(value)

    def _add_compound(self, value: Any) -> None:
        if isinstance(value, (np.random.Generator, np.random.RandomState, np.random.BitGenerator)):
            raise Unhashable(type(value).__name__)
        if isinstance(value, np.ndarray):
            self.write("array", f"{value.dtype} {value.shape}")
            if value.dtype.hasobject:
                self._add_all(value.ravel().tolist())
            else:
                self.write("bytes", np.ascontiguousarray(value).tobytes())
        elif isinstance(value, Enum):
            self._add_all([type(value), value.name])
        elif isinstance(value, (list, tuple)):
            self.write(type(value).__name__, str(len(value)))
            self._add_all(value)
        elif isinstance(value, (set, frozenset)):
            self.write("set", str(len(value)))
            self._add_all(sorted(value, key=repr))
        elif isinstance(value, Mapping):
            self.write("mapping", str(len(value)))
            for key, item in value.items():
                self._add_all([key, item])
        elif isinstance(value, PurePath):
            self.write("path", str(value))
        elif isinstance(value, types.ModuleType):
            self._add_module(value.__name__)
        elif isinstance(value, type):
            self._add_class(value)
        elif isinstance(value, functools.partial):
            self._add_all(["partial", value.func, value.args, value.keywords])
        elif isinstance(value, types.MethodType):
            self._add_all(["method", value.__func__, value.__self__])
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
            self._add_builtin(value)
        elif (parameters := parameters_of(value, deep=False)) is not None:
            self._add_all([type(value), dict(sorted(parameters.items()))])
        else:
            self._add_object(value)

    def _add_all(self, values: Any) -> None:
        for value in values:
            self.add(value)

    def _add_class(self, cls: type) -> None:
        self.write("class", f"{cls.__module__}.{cls.__qualname__}")
        if not self._add_module(cls.__module__):
            self.write("source", _source(cls))
            for base in cls.__mro__[1:]:
                self.add(base)
            for member in vars(cls).values():
                if isinstance(member, types.FunctionType):
                    self._add_function(member)

    def _add_function(self, function: types.FunctionType) -> None:
        self.write("function", f"{function.__module__}.{function.__qualname__}")
        if self._add_module(function.__module__):
            return
        self.write("source", _source(function))
        self._add_all([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            self.add(cell.cell_contents)
        for name in sorted(set(_global_names(function.__code__)) & set(function.__globals__)):
            self._add_all([name, function.__globals__[name]])

    def _add_builtin(self, function: Any) -> None:
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, (types.ModuleType, type)):
            self._add_all(["bound", owner])
        self.write("builtin", f"{getattr(function, '__module__', None)}.{function.__name__}")

    def _add_object(self, value: Any) -> None:
        if type(value).__module__.split(".")[0] in ("torch", "_io", "_thread", "socket"):
            raise Unhashable(type(value).__name__)
        try:
            parts = value.__reduce_ex__(4)
        except Exception as error:
            raise Unhashable(f"{type(value).__name__}: {error}") from error
        if isinstance(parts, str):
            self.write("global", parts)
            return
        self.add(type(value))
        for part in parts:
            self._add_all(["items", *part] if isinstance(part, Iterator) else [part])

    def _add_module(self, name: str | None) -> bool:
        """Return whether `name` belongs to an installed package or Python, whose version then stands for it.

        Code that was run from text belongs to no module; its own source or byte code stands for it.
        """
        if name is None:
            return False
        top = name.split(".")[0]
        if top != "__main__" and top in sys.stdlib_module_names:
            self.write("module", name)
            return True
        if top != "seepage" and not _is_installed(name):
            path = getattr(sys.modules.get(name), "__file__", None)
            if path and name != "__main__":
                self.write("file", _file_hash(path))
            return False
        self.packages.add(top)
        self.write("module", name)
        return True


def _is_installed(name: str) -> bool:
    """Return whether a module lies in an installed package; editable installs are the user's own, changing code."""
    module = sys.modules.get(name) or sys.modules.get(name.split(".")[0])
    path = getattr(module, "__file__", None) or str(next(iter(getattr(module, "__path__", [])), ""))
    return "site-packages" in path or "dist-packages" in path


def _file_hash(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise Unhashable(path) from error


@functools.lru_cache(maxsize=256)
def _version(package: str) -> str:
    try:
        return metadata.version({"sklearn": "scikit-learn"}.get(package, package))
    except metadata.PackageNotFoundError:
        pass
    names = metadata.packages_distributions().get(package, [package])
    try:
        return metadata.version(names[0])
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def _source(thing: Callable[..., Any] | type) -> str:
    """Return the source text, or the compiled code where a function was typed into a prompt."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError) as error:
        if not isinstance(thing, types.FunctionType):
            raise Unhashable(repr(thing)) from error
        return f"{thing.__code__.co_code.hex()} {_constants(thing.__code__)}"


def _constants(code: types.CodeType) -> str:
    parts = [_constants(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_names} {parts}"


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
