"""``sparsebench image``: the pinned image."""

import argparse

from harness.cli.arguments import DONE
from harness.console import say

ABOUT = "build the pinned image, or say that it is there"


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("folder", nargs="?", help="of a method's own image; without it, the suite's")
    command.add_argument("--pin", action="store_true", help="first pin the present Dockerfile and locks in images.lock")
    command.add_argument(
        "--base", default="auto", help="auto, pinned (pulled by digest) or local (made by debootstrap)"
    )
    command.add_argument("--force", action="store_true", help="build although the image is there")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness.containers import build as image_build

    image_build.make(given.folder, say, pin=given.pin, base=given.base, force=given.force)
    return DONE
