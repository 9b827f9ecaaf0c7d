"""Where a suite is trained: on this machine, or by an executor with its options."""

import argparse
from typing import Any, NamedTuple

from harness.cli.arguments import jobs_here
from harness.errors import UsageError


class Where(NamedTuple):
    """Where a suite is trained.

    Attributes:
        executor: The name of the executor.
        options: Those of the executor.
        jobs: Jobs at a time; None for auto, 0 for what the executor usually has.
    """

    executor: str
    options: Any
    jobs: int | None


def where_of(given: argparse.Namespace, options: list[str]) -> Where:
    """Return where a suite is to be trained.

    Args:
        given: The arguments of the command.
        options: Those of the executor, as they were given.

    Raises:
        UsageError: A number of jobs, or an option, is not allowed there.
    """
    from harness.executors import choose

    if given.executor == "local":
        jobs_here(given.jobs)
    elif given.jobs is None:
        raise UsageError(f"--jobs auto measures this machine: with --executor {given.executor} it is a number")
    return Where(given.executor, choose.options(given.executor, options), given.jobs)
