"""(f) Whole commands from a cold start: what they take, of the CPU or by the clock, and what another commit takes."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torchvision
from commands import TWELVE, Checkout, checkout
from measured import leave_limit, leave_pairs
from pytest_benchmark.fixture import BenchmarkFixture

from harness.budget.measure import measure
from harness.places import ROOT

HERE = Checkout()
RECORDS = ROOT / "results" / "records"
_TRACKED = subprocess.run(["git", "ls-files", RECORDS], cwd=ROOT, capture_output=True, text=True, check=True)
COMMITTED = _TRACKED.stdout.split()  # without the runs that were made here
GENERATED = 10_000
SEEDS = 1000
"""Of the 12 methods of the smoke suite: 12,000 runs."""

USAGE = 2
"""Exit status of a command that refuses its arguments."""


class Command(NamedTuple):
    """A command, what it may take, and how it is measured.

    Attributes:
        name: As the page shows it.
        arguments: Of ``sparsebench``.
        limit: Seconds that it may take.
        rounds: Times that it is timed.
        status: The exit status that it must have.
        beyond: A module whose import is not counted.
        clock: Whether it is timed by the clock, not in CPU seconds: it runs in several processes.
        against: Whether another commit is timed too: one without the command, or that needs hours, is not.
    """

    name: str
    arguments: list[str]
    limit: float
    rounds: int = 5
    status: int = 0
    beyond: str | None = None
    clock: bool = False
    against: bool = True


def _slow(command: Command) -> object:
    return pytest.param(command, marks=pytest.mark.slow)


RUN = ["method=rigl", "dataset=digits", "sparsity=0.9", "device=cpu", "runner=local"]
EVERY_SEED = f"seed=[{','.join(map(str, range(SEEDS)))}]"
COMMANDS = [
    Command("--version", ["--version"], 0.3, against=False),
    Command("--help", ["--help"], 0.3),
    Command("list", ["list"], 0.3),
    Command("a misspelt setting", ["run", "sparsty=0.9"], 0.3, status=USAGE),
    _slow(Command("plan of one run, without importing torch,", ["plan", *RUN], 1.5, beyond="torch")),
    _slow(Command("plan of fashion_mnist", ["plan", "--suite", "fashion_mnist", TWELVE], 3, rounds=3)),
    _slow(Command("plan of imagenet", ["plan", "--suite", "imagenet", TWELVE], 6, rounds=3)),
    _slow(
        Command(
            f"plan of {12 * SEEDS:,} runs of smoke",
            ["plan", "--suite", "smoke", TWELVE, EVERY_SEED],
            20,
            rounds=1,
            against=False,
        )
    ),
    _slow(Command("check of the committed records", ["check", *COMMITTED], 2, rounds=3, clock=True)),
]


@pytest.fixture(scope="session")
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    revision = request.config.getoption("--against")
    if not revision:
        pytest.skip("compared with another commit by --against REVISION")
    return checkout(revision, tmp_path_factory.mktemp("before"))


@pytest.fixture
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--against"))


def _within(benchmark: BenchmarkFixture, name: str, limit: float, rounds: int, timed: Callable[[], float]) -> None:
    """Time a call, and leave its median beside what it may be."""
    found: list[float] = []
    benchmark.pedantic(lambda: found.append(timed()), rounds=rounds, warmup_rounds=int(rounds > 1))
    leave_limit(benchmark, name, limit, statistics.median(found[-rounds:]))


def _against(
    benchmark: BenchmarkFixture, name: str, rounds: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> None:
    """Time two calls in turns, and leave their ratio."""
    pairs: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: pairs.append((ours(), theirs())), rounds=rounds, warmup_rounds=int(rounds > 1))
    each, other = zip(*pairs[-rounds:], strict=True)
    leave_pairs(benchmark, name, each, other, target=("at most", 1))


def _timed(where: Checkout, command: Command) -> float:
    if command.clock:
        return where.seconds(command.arguments)
    apart = where.import_seconds(command.beyond) if command.beyond else 0.0
    return where.cpu_seconds(command.arguments, command.status) - apart


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_is_fast(benchmark: BenchmarkFixture, quick: bool, command: Command) -> None:
    _within(benchmark, command.name, command.limit, 1 if quick else command.rounds, lambda: _timed(HERE, command))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_against_another_commit(
    benchmark: BenchmarkFixture, before: Checkout, revision: str, command: Command
) -> None:
    if not command.against:
        pytest.skip("not in the other commit, or takes hours there")
    there = [each for each in command.arguments if each not in COMMITTED or (before.folder / each).is_file()]
    command = command._replace(arguments=there)  # records that both commits have
    _against(
        benchmark,
        f"{command.name} / the same at {revision}",
        3 if command.rounds > 3 else 1,  # what takes long here took a minute
        lambda: _timed(HERE, command),
        lambda: _timed(before, command),
    )


@pytest.mark.slow
def test_a_large_network_is_measured_fast(benchmark: BenchmarkFixture) -> None:
    def timed() -> float:
        begun = time.process_time()
        with torch.device("meta"):
            model = torchvision.models.vit_b_16()
        measure(model, (3, 224, 224))
        return time.process_time() - begun

    _within(benchmark, "costs of ViT-B/16, measured", 1, 5, timed)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.append(str(ROOT / "tests"))  # where records are made
    from records import board, resealed

    from harness.records import record_name

    folder = tmp_path_factory.mktemp("generated") / "records"
    folder.mkdir()
    template = board(seeds=(0,), sparsities=(0.8, 0.9, 0.95, 0.98))
    for number in range(GENERATED):
        # Rows of ten seeds; a row is told from the next of its method and sparsity by its learning rate.
        row, seed = divmod(number, 10)
        base = template[row % len(template)]
        before = base["config"]["recipe"]
        recipe = {**before, "lr": before["lr"] + row // len(template)}
        curve = [{**point, "lr": point["lr"] * recipe["lr"] / before["lr"]} for point in base["curve"]]
        config = {**base["config"], "seed": seed, "recipe": recipe}
        made = {**base, "seed": seed, "config": config, "curve": curve}
        (folder / record_name(resealed(made))).write_text(json.dumps(made))
    return folder


@pytest.mark.slow
def test_a_folder_of_records_is_checked_fast(benchmark: BenchmarkFixture, generated: Path) -> None:
    command = Command(f"check of {GENERATED:,} records", ["check", str(generated)], 60, clock=True)
    _within(benchmark, command.name, command.limit, 1, lambda: _timed(HERE, command))


@pytest.mark.slow
def test_a_folder_of_records_is_made_a_board_fast(benchmark: BenchmarkFixture, generated: Path) -> None:
    command = Command(f"leaderboard of {GENERATED:,} records", ["leaderboard", f"output={generated.parent}"], 15)
    _within(benchmark, command.name, command.limit, 1, lambda: _timed(HERE, command))


def _another_run(where: Checkout, folder: Path) -> float:
    """Return the seconds that each further run of 5 steps on digits adds to a suite, one at a time."""
    further = 8

    def suite(runs: int) -> float:
        output = folder / f"{runs}-{len(list(folder.iterdir()))}"
        seeds = ",".join(map(str, range(runs)))
        steps = ["budget=steps:5", "evaluations=1", f"output={output}"]
        return where.seconds(["suite", "--suite", "smoke", "method=rigl", f"seed=[{seeds}]", *RUN[3:], *steps])

    return (suite(1 + further) - suite(1)) / further


@pytest.mark.slow
def test_a_run_adds_little_to_a_suite(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    _within(benchmark, "a further run of 5 steps in a suite", 0.5, 3, lambda: _another_run(HERE, tmp_path))


@pytest.mark.slow
def test_a_run_in_a_suite_against_another_commit(
    benchmark: BenchmarkFixture, before: Checkout, revision: str, tmp_path: Path
) -> None:
    _against(
        benchmark,
        f"a further run of 5 steps in a suite / the same at {revision}",
        1,
        lambda: _another_run(HERE, tmp_path),
        lambda: _another_run(before, tmp_path),
    )
