"""``sparsebench list``: what can be chosen."""

import argparse

from harness.cli.arguments import DONE

ABOUT = "list what can be chosen: methods, data sets, models, budgets, suites"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.config import compose as config
    from harness.plan import grid as suite

    for group in ("method", "dataset", "model", "recipe", "budget", "runner"):
        print(f"{group:8} {' '.join(config.choices(group))}")
    print(f"{'suite':8} {' '.join(suite.names())}")
    return DONE
