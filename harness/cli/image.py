"""``sparsebench image``: the pinned image."""

import argparse

from harness.cli.arguments import DONE
from harness.console import say


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("folder", nargs="?", help="folder of a method's own image (default: the suite's)")
    command.add_argument("--pin", action="store_true", help="first pin the current Dockerfile and locks in images.lock")
    command.add_argument(
        "--base",
        default="auto",
        help="where the base comes from: pinned (pulled by digest), local (made by debootstrap) or auto",
    )
    command.add_argument("--force", action="store_true", help="build even if the image exists")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.containers import build

    build.make(given.folder, say, pin=given.pin, base=given.base, force=given.force)
    return DONE
