"""The standing of methods over several tasks (docs/standing.md)."""

from harness.board.standing.compute import Figures, Line, Standing, make
from harness.board.standing.declared import Declared, path, read

__all__ = ["Declared", "Figures", "Line", "Standing", "make", "path", "read"]
