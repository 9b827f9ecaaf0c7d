"""The command line: ``sparsebench COMMAND [OVERRIDES]``. Each command is a file of this folder."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from harness import console, extras
from harness.cli.arguments import DONE, FAILED, USAGE
from harness.errors import UsageError, unknown

COMMANDS = {
    "run": "train one run and update the board",
    "suite": "train a grid of runs, skipping those that are done, and update the board",
    "reproduce": "train the missing runs of a paper's table, and judge each row beside what was published",
    "status": "show where a suite stands: done, running where since when, waiting, failed; time left and cost",
    "plan": "show runs, what they will cost and which are done; train nothing",
    "tune": "choose hyper-parameters on the validation split, with as many trials for every method",
    "leaderboard": "make the board from records",
    "show": "show a run on one page: result, cost, curve, layers, events, provenance",
    "compare": "compare two runs or rows, paired by seed: difference, cost, layers, settings",
    "deploy": "measure how fast a kept network runs in sparse formats, and how small it is",
    "reliability": "measure calibration, accuracy under corruptions and agreement of seeds from kept networks",
    "image": "build the pinned image if it is missing",
    "check": "check records against the rules and recompute their FLOPs",
    "doctor": "look at a data set before anything is trained, or check a method or model of your own by short runs",
    "clean": "remove containers that a killed harness left behind",
    "publish": "publish records, tables, networks and board in a folder or on the Hugging Face Hub",
    "prune-networks": "say what removing kept networks would free, and remove them with --yes",
    "speed": "run the speed suites and print ratios to their baselines",
    "list": "list what can be chosen: methods by family, data sets, models, budgets, suites",
}
"""What each does, in the order of ``--help``."""


def module(name: str) -> ModuleType:
    """Import a command: a module with ``arguments(parser)`` and ``call(namespace) -> status``."""
    return import_module(f"harness.cli.{name.replace('-', '_')}")


def main() -> int:
    """Run the command line and return its exit status: 0 done, 1 a run failed, 2 bad usage."""
    console.open_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    try:
        given = parse(sys.argv[1:])
        with extras.explained():
            status = int(given.call(given))
        sys.stdout.flush()
        return status
    except UsageError as error:
        console.say(f"sparsebench: {error}")
        return USAGE
    except BrokenPipeError:  # the reader of a pipe went away
        _drop_output()
        return DONE
    except OSError as error:  # the disk is full, a folder is read-only: nothing that a traceback would explain
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        console.say(f"sparsebench: {where}{error.strerror or error}")
        return FAILED
    except KeyboardInterrupt:
        console.say("sparsebench: interrupted")
        return FAILED


def _drop_output() -> None:
    """Send what is still to be written to stdout nowhere, since Python would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line; options may stand between overrides.

    Returns:
        The command's arguments, and the function that runs it as ``call``.

    Raises:
        UsageError: There is no such command.
        SystemExit: The arguments are not the command's, or help or the version was requested and has been printed.
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name.startswith("-") or not name:
        _overview().parse_args(arguments)
        raise UsageError(f"no command: choose one of {', '.join(COMMANDS)} (see sparsebench --help)")
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    command = module(name)
    # No abbreviations: `suite` has to recognise --detach to leave it out of what it starts.
    parser = _Parser(prog=f"sparsebench {name}", description=COMMANDS[name], allow_abbrev=False)
    parser.set_defaults(call=command.call)
    command.arguments(parser)
    return parser.parse_intermixed_args(rest)


def _overview() -> argparse.ArgumentParser:
    """Build the parser for what comes before a command: help and the version."""
    commands = "\n".join(f"  {name:<15}{about}" for name, about in COMMANDS.items())
    parser = _Parser(
        prog="sparsebench",
        usage="sparsebench [-h] [--version] COMMAND ...",
        description="Every sparse-training method on one budget, on one board.",
        epilog=f"commands:\n{commands}\n\nsparsebench COMMAND --help says what a command takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the project and of its rules")
    return parser


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from importlib.metadata import version

        from harness.records.identity import RESULTS
        from harness.vocabulary import RULES

        print(f"sparsebench {version('sparsebench')} (rules {RULES}, results {RESULTS})")
        sys.exit(DONE)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        console.say(f"{self.prog}: {message} (see {self.prog} --help)")
        sys.exit(USAGE)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
