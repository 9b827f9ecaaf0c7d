"""``benchmarks/statistics/simulate.py`` as a module: it belongs to no package."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "simulate", Path(__file__).parent.parent / "benchmarks" / "statistics" / "simulate.py"
)
simulate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(simulate)
