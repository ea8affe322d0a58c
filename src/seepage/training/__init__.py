"""How models like the target are made, who is in which, and the signals they leave behind."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from seepage.training.command import CommandRecipe as CommandRecipe
from seepage.training.cost import TrainingCost as TrainingCost
from seepage.training.cost import measure_training as measure_training
from seepage.training.inclusion import draw_inclusion as draw_inclusion
from seepage.training.inclusion import draw_pool as draw_pool
from seepage.training.recipes import EstimatorRecipe as EstimatorRecipe
from seepage.training.recipes import FunctionRecipe as FunctionRecipe
from seepage.training.recipes import as_recipe as as_recipe
from seepage.training.recipes import recipe_from_string as recipe_from_string
from seepage.training.table import FIXED_IN as FIXED_IN
from seepage.training.table import IN as IN
from seepage.training.table import OUT as OUT
from seepage.training.table import Inclusion as Inclusion
from seepage.training.table import Recipe as Recipe
from seepage.training.table import Signals as Signals
from seepage.training.trainer import Reference as Reference
from seepage.training.trainer import run_shadows as run_shadows

if TYPE_CHECKING:
    from seepage.training.imported import load_shadow_scores as load_shadow_scores
    from seepage.training.shadows import train_shadows as train_shadows
    from seepage.training.standin import SurrogateRecipe as SurrogateRecipe
    from seepage.training.standin import surrogate as surrogate
    from seepage.training.torch_recipe import TorchRecipe as TorchRecipe

# modules that import scikit-learn or polars are loaded when first asked for
_LATER = {
    "SurrogateRecipe": "standin",
    "TorchRecipe": "torch_recipe",
    "load_shadow_scores": "imported",
    "surrogate": "standin",
    "train_shadows": "shadows",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        value = getattr(importlib.import_module(f"seepage.training.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'seepage.training' has no attribute {name!r}")
