"""Recipes made of Python: a scikit-learn-like estimator that is cloned, or a function fit(X, y, seed)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast, final

from seepage.errors import InputError, RecipeError
from seepage.records import Records
from seepage.training.fingerprint import recipe_fingerprint
from seepage.training.seeding import fresh_copy, parameters_of
from seepage.training.table import Recipe

__all__ = ["EstimatorRecipe", "FunctionRecipe", "as_recipe", "recipe_from_string"]

_ABSENT = object()
_SIGNATURE = "fit(X, y, seed) -> model"


@final
@dataclass(frozen=True)
class EstimatorRecipe:
    """Clone a scikit-learn-like estimator and fit it: pipelines, searches, xgboost, lightgbm, catboost, skorch.

    Every nested random state follows the seed and every inner thread count is 1, whatever the estimator says.

    Parameters
    ----------
    estimator : fitted or not; only its parameters are used.
    fit_params : further arguments of `fit`, the same for every model. Values with one entry a row (sample weights)
        cannot be cut to a shadow model's rows here: give a function that computes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> recipe = EstimatorRecipe(DecisionTreeClassifier(max_depth=1))
    >>> recipe.fit(Records(np.arange(4.0)[:, None], [0, 0, 1, 1]), seed=0).predict([[3.0]]).tolist()
    [1]
    """

    estimator: Any
    fit_params: Mapping[str, Any] = field(default_factory=dict)

    kind = "estimator"

    def __post_init__(self) -> None:
        """Refuse at once what could only fail later, model by model."""
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise InputError(f"{name} is a class, not an estimator. Give an instance: {name}().")
        if parameters_of(self.estimator, deep=False) is None or not callable(getattr(self.estimator, "fit", None)):
            raise InputError(
                f"{type(self.estimator).__name__} has no fit and get_params, so it cannot be made again. "
                f"Give a recipe function instead: {_SIGNATURE}."
            )
        for name, value in self.fit_params.items():
            if callable(getattr(value, "__len__", None)) and not isinstance(value, (str, bytes, Mapping)):
                raise InputError(
                    f"fit parameter {name!r} has {len(value)} entries, and a shadow model has other rows. "
                    f"Give a recipe function that computes it: {_SIGNATURE}."
                )

    @property
    def name(self) -> str:
        """The estimator's class; for a pipeline also that of its last step."""
        inner = getattr(self.estimator, "steps", None)
        last = f"({type(inner[-1][1]).__name__})" if inner else ""
        return type(self.estimator).__name__ + last

    @cached_property
    def fingerprint(self) -> str | None:
        """Hash of class, parameters and versions; None where a parameter cannot be hashed."""
        return recipe_fingerprint("estimator", self.estimator, dict(self.fit_params))

    def fit(self, records: Records, seed: int) -> Any:
        """Train a fresh copy on the records."""
        model = fresh_copy(self.estimator, seed)
        fitted = model.fit(records.x, records.y, **self.fit_params)
        return model if fitted is None else fitted


@final
@dataclass(frozen=True)
class FunctionRecipe:
    """Call `fit(X, y, seed)`. X comes in the form of the user's own table, y as an array.

    Parameters
    ----------
    function : must draw all its randomness from `seed`, so that an interrupted audit goes on with the same numbers.
    source, base_dir : where `recipe_from_string` found it; worker processes then load it from there.

    Examples
    --------
    >>> import numpy as np
    >>> def fit(X, y, seed):
    ...     return lambda x: np.full((len(x), 2), 0.5)
    >>> FunctionRecipe(fit).name
    'fit'
    """

    function: Callable[[Any, Any, int], Any]
    source: str | None = None
    base_dir: Path | None = None

    kind = "function"

    def __post_init__(self) -> None:
        """Check that the function can be called as it will be."""
        try:
            inspect.signature(self.function).bind(None, None, 0)
        except TypeError:
            seen = f"{getattr(self.function, '__name__', 'it')}{inspect.signature(self.function)}"
            raise InputError(f"a recipe function is called as {_SIGNATURE} (got {seen}).") from None
        except ValueError:
            return

    def __reduce__(self) -> Any:
        """Travel by name where there is one: code loaded from a file cannot be imported by name elsewhere."""
        if self.source is not None and self.base_dir is not None:
            return recipe_from_string, (self.source, self.base_dir)
        return FunctionRecipe, (self.function,)

    def __reduce_by_value__(self) -> Any:
        """Travel with the function itself, to a machine of a cluster that has no such file."""
        return FunctionRecipe, (self.function, self.source, self.base_dir)

    @property
    def name(self) -> str:
        """The function's name, or the text it was named by."""
        return self.source or str(getattr(self.function, "__name__", type(self.function).__name__))

    @cached_property
    def fingerprint(self) -> str | None:
        """Hash of the function's source and of the globals, defaults and closures it uses; None if one has none."""
        return recipe_fingerprint("function", self.function)

    def fit(self, records: Records, seed: int) -> Any:
        """Train one model.

        Raises
        ------
        RecipeError
            If the function returns nothing.
        """
        model = self.function(records.x, records.y, seed)
        if model is None:
            raise RecipeError(f"{self.name} returned None. A recipe function ends with `return model`.")
        return model


def as_recipe(model_or_recipe: Any) -> Recipe:
    """Return how such a model is made: a recipe as it is, an estimator to be cloned, or a function to be called.

    Raises
    ------
    InputError
        For anything else, saying what to give instead.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> as_recipe(Ridge()).name
    'Ridge'
    """
    given = model_or_recipe
    names = ("fit", "fingerprint", "name")
    if not isinstance(given, type) and all(
        inspect.getattr_static(given, name, _ABSENT) is not _ABSENT for name in names
    ):
        return cast(Recipe, given)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.nn.Module):
        raise InputError(
            f"{type(given).__name__} is a torch module, which does not know how it was trained. "
            f"Give a recipe: seepage.training.TorchRecipe(module_factory, …) or a function {_SIGNATURE}."
        )
    if isinstance(given, type) or callable(getattr(given, "fit", None)):
        return EstimatorRecipe(given)
    if isinstance(given, str):
        raise InputError(f"a recipe was given as text ({given!r}). Read it with recipe_from_string first.")
    if callable(given):
        return FunctionRecipe(given)
    raise InputError(
        f"a {type(given).__name__} is no recipe. Give a scikit-learn-like estimator or a function {_SIGNATURE}."
    )


def recipe_from_string(source: str, base_dir: Path | str = ".") -> FunctionRecipe:
    """Load a recipe function by name: `"train.py:fit"` relative to `base_dir`, or `"package.module:fit"`.

    The file is run, so it must be the user's own.

    Parameters
    ----------
    source : file or module, a colon, and the function's name.
    base_dir : the folder that relative files, and their neighbours they import, lie in.

    Raises
    ------
    InputError
        If there is no such file, module or function, or it fails while loading.
    """
    where, colon, attribute = source.rpartition(":")
    if not colon or not where or not attribute:
        raise InputError(f"recipe {source!r} is not of the form 'train.py:fit' or 'package.module:fit'.")
    folder = Path(base_dir).resolve()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        module = _module_from_file(folder / where) if where.endswith(".py") else importlib.import_module(where)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{where} could not be loaded: {type(error).__name__}: {error}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        known = sorted(n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_"))
        raise InputError(f"{where} has no function {attribute!r}. It has: {', '.join(known) or 'none'}.")
    return FunctionRecipe(function, source, folder)


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no file {path}. Paths are relative to the file that names them.")
    name = f"_seepage_recipe_{path.stem}_{recipe_fingerprint(str(path), path.read_bytes())}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
