"""The command line: ``sparsebench COMMAND [OVERRIDES]``."""

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError, unknown

DONE, FAILED, USAGE = 0, 1, 2


def main() -> int:
    """Run the command line and return its exit status: 0 done, 1 a run failed, 2 bad usage."""
    signal.signal(signal.SIGTERM, _interrupt)
    arguments = _parser().parse_args()
    try:
        return int(arguments.call(arguments))
    except UsageError as error:
        print(f"sparsebench: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader of a pipe went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("sparsebench: interrupted", file=sys.stderr)
        return FAILED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sparsebench", description="Every sparse-training method on one budget, on one board.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    overrides = "name=value, e.g. method=rigl dataset=cifar10 sparsity=0.95 budget=flops:0.5 runner=local output=DIR"

    def add(name: str, call: Callable[[argparse.Namespace], int], about: str, *, settings: bool = True) -> Any:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(call=call)
        if settings:
            command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=overrides)
        return command

    command = add("run", _run, "train one run and update the board")
    command.add_argument("--force", action="store_true", help="train it again although its record exists")
    command = add("suite", _suite, "train a grid of runs, skipping those that are done, and update the board")
    command.add_argument("--suite", required=True, metavar="NAME", help="a file of benchmarks/suite")
    command.add_argument("--executor", default="local", metavar="NAME", help="where its runs go; local is the only one")
    command.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="runs at a time, auto for what is fastest here; their wall-clock is marked as shared",
    )
    command = add("plan", _plan, "say which runs there are, what they will cost and which are done; train nothing")
    command.add_argument("--suite", metavar="NAME", help="plan a whole suite")
    command.add_argument("--json", action="store_true", help="print a JSON list")
    command = add("leaderboard", _leaderboard, "make the board from records", settings=False)
    command.add_argument("overrides", nargs="*", metavar="output=DIR", help="folder of records/ and board")
    command = add("image", _image, "build the pinned image, or say that it is there", settings=False)
    command.add_argument("folder", nargs="?", help="of a method's own image; without it, the suite's")
    command.add_argument("--pin", action="store_true", help="first pin the present Dockerfile and locks in images.lock")
    command.add_argument(
        "--base", default="auto", help="auto, pinned (pulled by digest) or local (made by debootstrap)"
    )
    command.add_argument("--force", action="store_true", help="build although the image is there")
    command = add("check", _check, "check records as a submission is checked", settings=False)
    command.add_argument("records", nargs="+", metavar="RECORD", help="a record's file")
    command.add_argument("--rerun", action="store_true", help="also train each again and compare the metrics")
    add("clean", _clean, "remove containers that a killed harness left behind", settings=False)
    command = add("speed", _speed, "run the speed suites and print ratios to their baselines", settings=False)
    command.add_argument("--json", type=Path, metavar="FILE", help="write the ratios to FILE")
    command.add_argument("--quick", action="store_true", help="small nets, two rounds: that it runs, not how fast")
    command.add_argument("--all", action="store_true", help="time whole commands too: a board, a run in a container")
    command = add("list", _list, "list what can be chosen: methods, data sets, models, budgets, suites", settings=False)
    return parser


def _jobs(text: str) -> int | None:
    """Read a number of runs at a time; None for ``auto``."""
    if text == "auto":
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number or auto")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from harness import board
    from harness.cli import tables as report
    from harness.cli.display import Display
    from harness.config import compose as config
    from harness.executors import execute
    from harness.plan import price as plan
    from harness.runners.choose import choose

    run = config.resolve(arguments.overrides)
    report.notice_dense(arguments.overrides, run)
    plan.settle(run)
    execute.require(run)
    choice = choose(run)
    report.say(choice.why)
    if arguments.force:
        execute.forget(run, choice)
    result = None if arguments.force else execute.existing(run, choice.image_id)
    if result is None:
        with Display() as display, display.run(report.title(run)) as show:
            result = execute.execute(run, choice, show)
    else:
        report.say(f"{result.record['status']} already: {report.shown(result.path)} (--force trains it again)")
    board.make(Path(run.output) / "records", run.output)
    report.row(result)
    if result.record["status"] == "interrupted":
        raise KeyboardInterrupt
    return DONE if result.record["status"] == "done" else FAILED


def _suite(arguments: argparse.Namespace) -> int:
    from harness.executors import local as suite

    if arguments.executor != "local":
        raise unknown("executor", arguments.executor, ["local"])
    return DONE if suite.train(arguments.suite, arguments.overrides, arguments.jobs) else FAILED


def _plan(arguments: argparse.Namespace) -> int:
    from harness.cli import tables as report
    from harness.config import compose as config
    from harness.executors import local as suite
    from harness.plan import price as plan
    from harness.runners.choose import image_id

    if arguments.suite:
        runs = suite.runs(arguments.suite, arguments.overrides)
    else:
        runs = [config.resolve(arguments.overrides)]
        report.notice_dense(arguments.overrides, runs[0])
    entries = [plan.entry(run, image_id(run)) for run in runs]
    if arguments.json:
        print(json.dumps(entries, indent=1))
    else:
        report.plan_table(entries)
    return DONE


def _leaderboard(arguments: argparse.Namespace) -> int:
    from harness import board
    from harness.cli import tables as report
    from harness.config.compose import TREE
    from harness.records.record import load_files

    output = _output(arguments.overrides)
    records = output / "records"
    if not records.is_dir():
        raise UsageError(f"no records: {records} is not a folder; make bench leaves one there")
    report.board(board.make(records, output))
    if output.resolve() == (TREE.parent / "results").resolve():
        # The README shows the project's own results; those of another folder are somebody's experiment.
        board.update_readme(TREE.parent / "README.md", board.readme_table(load_files(records)[0].values()))
    return DONE


def _image(arguments: argparse.Namespace) -> int:
    from harness.cli import tables as report
    from harness.containers import build as image_build

    image_build.make(arguments.folder, report.say, pin=arguments.pin, base=arguments.base, force=arguments.force)
    return DONE


def _check(arguments: argparse.Namespace) -> int:
    from tempfile import TemporaryDirectory

    from harness.audit import submission as check
    from harness.cli.display import Display
    from harness.executors import rerun
    from harness.records import record

    refused = 0
    for name in arguments.records:
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"{name} is no file; a record lies in results/records/")
        beside, _ = record.load_files(path.parent)
        reasons = check.check(path, beside)
        if arguments.rerun and not reasons:
            with TemporaryDirectory() as folder, Display() as display, display.run(f"again: {path.name}") as show:
                reasons = rerun.rerun(record.load(path), Path(folder), show)
        refused += bool(reasons)
        print(f"{name}: {'refused' if reasons else 'passes'}")
        for reason in reasons:
            print(f"  {reason}")
    return FAILED if refused else DONE


def _clean(arguments: argparse.Namespace) -> int:
    from harness.cli import tables as report
    from harness.containers import engine
    from harness.containers import orphans as clean

    removed = clean.clean(engine.connect())
    report.say(f"removed {len(removed)} containers" + (f": {', '.join(removed)}" if removed else ""))
    return DONE


def _speed(arguments: argparse.Namespace) -> int:
    from harness.speed import suites as speed

    return speed.main(arguments.json, quick=arguments.quick, everything=arguments.all)


def _list(arguments: argparse.Namespace) -> int:
    from harness.config import compose as config
    from harness.executors import local as suite

    for group in ("method", "dataset", "model", "recipe", "budget", "runner"):
        print(f"{group:8} {' '.join(config.choices(group))}")
    print(f"{'suite':8} {' '.join(suite.names())}")
    return DONE


def _output(overrides: Sequence[str]) -> Path:
    for override in overrides:
        name, _, value = override.partition("=")
        if name != "output" or not value:
            raise UsageError(f"{override!r}: this command takes output=DIR alone")
        return Path(value)
    return Path("results")


if __name__ == "__main__":
    sys.exit(main())
