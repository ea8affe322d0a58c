"""Give every piece of work a name that depends on nothing but what went into it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

__all__ = ["canonical_json", "derive_seed", "work_key"]


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Turn numpy values, enums, paths, sets and tuples into what JSON knows; NaN and infinities become null.

    Raises
    ------
    TypeError
        For a value that has no plain form, and for mapping keys that are not text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise TypeError(f"mapping keys must be text to be stored as JSON (got {wrong!r})")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored as JSON")


def canonical_json(value: Any) -> str:
    """Write `value` as JSON in the one form that equal values share: keys sorted, no spaces.

    Examples
    --------
    >>> canonical_json({"b": np.float64(0.5), "a": (1, None)})
    '{"a":[1,null],"b":0.5}'
    """
    return _ENCODER.encode(plain(value))


def work_key(
    kind: str,
    name: str,
    *,
    version: int = 1,
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str | None] | None = None,
    seed: int | None = None,
) -> str | None:
    """Return the key of a piece of work: SHA-256 of canonical JSON of everything that determines its result.

    Parameters
    ----------
    kind : what sort of work, for example "shadow-row".
    name : which of that sort, for example an attack's name.
    version : raised whenever the meaning of the result changes.
    parameters : settings, as plain values.
    inputs : name → fingerprint of each thing that went in.
    seed : the seed, if the work draws.

    Returns
    -------
    64 hex digits, or None if any input has no fingerprint: such work is never cached.

    Examples
    --------
    >>> work_key("demo", "sum", inputs={"records": "ab12"})[:12]
    '0735e173814c'
    >>> work_key("demo", "sum", inputs={"recipe": None}) is None
    True
    """
    given = dict(inputs or {})
    if any(fingerprint is None for fingerprint in given.values()):
        return None
    document = {
        "kind": kind,
        "name": name,
        "version": version,
        "parameters": dict(parameters or {}),
        "inputs": given,
        "seed": seed,
    }
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def derive_seed(seed: int, *parts: int | str) -> int:
    """Return a seed below 2**31 that depends only on `seed` and `parts`, alike on every machine.

    Examples
    --------
    >>> derive_seed(0, "shadow", 3) == derive_seed(0, "shadow", 3) != derive_seed(0, "shadow", 4)
    True
    """
    is_plain = all(type(part) in (int, str) for part in parts)
    text = _ENCODER.encode([int(seed), *parts]) if is_plain else canonical_json([int(seed), *parts])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") & 0x7FFFFFFF
