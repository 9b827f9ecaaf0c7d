"""The command line: ``sparsebench COMMAND [OVERRIDES]``. Each command is a file of this folder."""

import argparse
import os
import signal
import sys
from types import ModuleType
from typing import NoReturn

from harness.cli import check, clean, image, leaderboard, plan, run, speed, suite
from harness.cli import list as list_
from harness.cli.arguments import DONE, FAILED, USAGE
from harness.errors import UsageError

COMMANDS: tuple[ModuleType, ...] = (run, suite, plan, leaderboard, image, check, clean, speed, list_)
"""Modules with an ``ABOUT``, ``arguments(parser)`` and ``call(namespace) -> status``, in the order of ``--help``."""


def main() -> int:
    """Run the command line and return its exit status: 0 done, 1 a run failed, 2 bad usage."""
    signal.signal(signal.SIGTERM, _interrupt)
    given = parser().parse_args()
    try:
        return int(given.call(given))
    except UsageError as error:
        print(f"sparsebench: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader of a pipe went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("sparsebench: interrupted", file=sys.stderr)
        return FAILED


def parser() -> argparse.ArgumentParser:
    """Build the parser of every command."""
    made = _Parser(prog="sparsebench", description="Every sparse-training method on one budget, on one board.")
    commands = made.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        command.set_defaults(call=module.call)
        module.arguments(command)
    return made


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(USAGE)


if __name__ == "__main__":
    sys.exit(main())
