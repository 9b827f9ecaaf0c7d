"""Tables of papers, reproduced: published rows beside the runs of a suite, with a verdict on each."""

from harness.reproduce.paper import Paper, read
from harness.reproduce.results import Result, of, recorded
from harness.reproduce.sheets import write
from harness.reproduce.suite import require

__all__ = ["Paper", "Result", "of", "read", "recorded", "require", "write"]
