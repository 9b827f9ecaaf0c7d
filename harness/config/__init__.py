"""What a run is: the Hydra tree under ``benchmarks/``, typed, resolved and checked into one `RunConfig`.

Importing it takes neither Hydra nor torch; Hydra is imported when a run is composed.
"""

from harness.config.compose import checked, reseeded, resolve, unused
from harness.config.names import GROUPS, choices
from harness.config.plain import from_dict, to_dict
from harness.config.schema import (
    BudgetConfig,
    DatasetConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    RunnerConfig,
)
from harness.config.values import several

__all__ = [
    "GROUPS",
    "BudgetConfig",
    "DatasetConfig",
    "ModelConfig",
    "RecipeConfig",
    "RunConfig",
    "RunnerConfig",
    "checked",
    "choices",
    "from_dict",
    "reseeded",
    "resolve",
    "several",
    "to_dict",
    "unused",
]
