"""Tracing: which parameter enters which product of a network, how often, and at what cost."""

from harness.budget.tracing.passes import Mode, Pass, Survey, ValuesNeededError, is_small, survey

__all__ = ["Mode", "Pass", "Survey", "ValuesNeededError", "is_small", "survey"]
