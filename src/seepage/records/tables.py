"""The features themselves, of whatever kind: how many rows, which columns, take some, join two."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seepage.errors import InputError
from seepage.records.vectors import to_numpy

__all__ = ["Kind", "as_features", "as_frame", "columns_of", "join_features", "kind_of", "take_features"]

Kind = Literal["array", "frame", "text"]


def kind_of(x: Any) -> Kind:
    """Return what normalised features are: an array, a table, or a list of texts."""
    if isinstance(x, np.ndarray):
        return "array"
    return "text" if isinstance(x, list) else "frame"


def as_frame(x: Any) -> nw.DataFrame[Any]:
    """Return a table in narwhals' common clothing; the table itself is not copied."""
    return nw.from_native(x, eager_only=True)


def as_features(x: Any) -> Any:
    """Bring features into one of three kinds: NumPy array (n, …), table as it came, or list of str.

    Tables keep their library (pandas, polars, pyarrow), so that a pipeline fitted on pandas is given pandas;
    a pandas index is reset. Tensors become arrays.

    Raises
    ------
    InputError
        For anything that has no rows, or that is none of these.
    """
    if x is None or isinstance(x, (str, bytes, dict)):
        raise InputError(f"x must be an array, a table or a list of texts (got {type(x).__name__}).")
    if callable(getattr(x, "toarray", None)):
        raise InputError("x is a sparse matrix, which is not supported. Pass x.toarray().")
    if isinstance(x, np.ndarray):
        return _checked_array(x)
    try:
        frame = nw.from_native(x, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError:
        raise InputError(_same_name([str(name) for name in x.columns])) from None
    if isinstance(frame, nw.LazyFrame):
        raise InputError("x is a lazy table. Call .collect() on it first.")
    if isinstance(frame, nw.DataFrame):
        return _checked_frame(frame)
    if isinstance(frame, nw.Series):
        return _checked_array(to_numpy(frame.to_numpy()))
    try:
        return _checked_array(to_numpy(x))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"x cannot be read ({error}). Pass an array, a pandas, polars or pyarrow table, or a list of texts."
        ) from None


def _checked_frame(frame: nw.DataFrame[Any]) -> Any:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise InputError(_same_name(names))
    if not len(frame) or not names:
        raise InputError(f"x has {len(frame)} rows and {len(names)} columns. It needs at least one of each.")
    return nw.maybe_reset_index(frame).to_native()


def _same_name(names: list[str]) -> str:
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"x has several columns of the same name: {', '.join(twice)}. Rename or drop them."


def _checked_array(x: NDArray[Any]) -> Any:
    if x.ndim == 0 or not x.size:
        raise InputError(f"x has no rows (shape {x.shape}). It needs at least one.")
    if x.ndim == 1:
        if x.dtype.kind in "UST" or all(isinstance(item, str) for item in x):
            return [str(item) for item in x]
        raise InputError(
            f"x must have two dimensions or more, or be a list of texts (got shape {x.shape} of {x.dtype}). "
            "Use x.reshape(-1, 1) for a single feature."
        )
    if x.dtype.kind in "TV":
        raise InputError(f"x has dtype {x.dtype}, which is not supported. Pass numbers, objects or a table.")
    return x


def columns_of(x: Any) -> tuple[str, ...] | None:
    """Return the names of a table's columns, or None for arrays and texts."""
    return tuple(str(name) for name in as_frame(x).columns) if kind_of(x) == "frame" else None


def take_features(x: Any, index: NDArray[np.intp]) -> Any:
    """Return the rows at `index`, in that order, of the same kind as `x`."""
    kind = kind_of(x)
    if kind == "array":
        return x[index]
    if kind == "text":
        return [x[i] for i in index]
    return nw.maybe_reset_index(as_frame(x)[index, :]).to_native()


def join_features(a: Any, b: Any) -> Any:
    """Put the rows of `b` under those of `a`. Tables need the same columns, in the same order.

    Integers meet floats as floats; categories meet as the union of their levels.

    Raises
    ------
    InputError
        When the two are of different kinds or shapes.
    """
    kind, other = kind_of(a), kind_of(b)
    if kind != other:
        raise InputError(f"one side is {_called[kind]} and the other {_called[other]}. Pass both in the same form.")
    if kind == "text":
        return a + b
    if kind == "array":
        if a.shape[1:] != b.shape[1:]:
            raise InputError(f"rows have shape {a.shape[1:]} on one side and {b.shape[1:]} on the other.")
        return np.concatenate([a, b])
    library, second = as_frame(a).implementation, as_frame(b).implementation
    if library != second:
        raise InputError(
            f"one side is a {library.value} table and the other a {second.value} table. Pass both in the same library."
        )
    if library.is_pandas():
        return _join_pandas(a, b)
    if library.is_polars():
        return _join_polars(a, b)
    return nw.concat([as_frame(a), as_frame(b)], how="vertical").to_native()


_called = {"array": "an array", "frame": "a table", "text": "a list of texts"}


def _join_pandas(a: Any, b: Any) -> Any:
    pandas: Any = importlib.import_module("pandas")
    joined = {}
    for position, name in enumerate(a.columns):
        top, bottom = a.iloc[:, position], b.iloc[:, position]
        if top.dtype == bottom.dtype:
            joined[name] = pandas.concat([top, bottom], ignore_index=True)
        elif "category" in (top.dtype.name, bottom.dtype.name):
            levels = [pandas.Categorical(side) for side in (top, bottom)]
            joined[name] = pandas.Series(pandas.api.types.union_categoricals(levels, ignore_order=True))
        else:
            # A column that is empty on one side takes the type it has on the other.
            top = top.astype(bottom.dtype) if top.isna().all() and _holds_missing(bottom) else top
            bottom = bottom.astype(top.dtype) if bottom.isna().all() and _holds_missing(top) else bottom
            joined[name] = pandas.concat([top, bottom], ignore_index=True)
    return pandas.DataFrame(joined)


def _holds_missing(series: Any) -> bool:
    return not (isinstance(series.dtype, np.dtype) and series.dtype.kind in "biu")


def _join_polars(a: Any, b: Any) -> Any:
    polars: Any = importlib.import_module("polars")
    enums = [name for name in a.columns if a.schema[name] != b.schema[name] and a.schema[name] == polars.Enum]
    for name in enums:
        if b.schema[name] == polars.Enum:
            levels = list(dict.fromkeys([*a.schema[name].categories, *b.schema[name].categories]))
            a, b = (side.with_columns(polars.col(name).cast(polars.Enum(levels))) for side in (a, b))
    try:
        return polars.concat([a, b], how="vertical_relaxed")
    except polars.exceptions.PolarsError as error:
        raise InputError(f"the two tables' columns have types that do not go together: {error}.") from None
