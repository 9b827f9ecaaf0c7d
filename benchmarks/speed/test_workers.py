"""(g) Many workers on one folder: what a suite costs beyond its training, and how fast its state is read."""

import json
import sys
from pathlib import Path

import pytest
from commands import Checkout
from measured import leave_limit
from pytest_benchmark.fixture import BenchmarkFixture

from harness.places import ROOT

HERE = Checkout()
RUNS, QUICK_RUNS = 200, 8
WORKERS = 2
STEPS = 250
"""About a second of training on one thread."""
MOST = 1.15
METHODS = ["static", "set", "rigl", "gmp"]
GENERATED = 10_000


@pytest.mark.usefixtures("whole_commands")
def test_a_suite_costs_little_beyond_its_training(benchmark: BenchmarkFixture, quick: bool, tmp_path: Path) -> None:
    runs = QUICK_RUNS if quick else RUNS
    seeds = ",".join(map(str, range(runs // len(METHODS))))
    command = [
        *("suite", "--suite", "smoke", f"method=[{','.join(METHODS)}]", f"seed=[{seeds}]", "--jobs", str(WORKERS)),
        *(f"budget=steps:{STEPS}", "recipe.threads=1", "evaluations=1", "device=cpu", "runner=local"),
        f"output={tmp_path}",
    ]
    seconds = benchmark.pedantic(lambda: HERE.seconds(command), rounds=1)
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    spent = [record["cost"]["seconds"] for record in records]
    trained = sum(one["train"] + one["topology"] + one["eval"] for one in spent)
    training, each = trained / WORKERS, trained / len(records)
    benchmark.extra_info.update(
        name=f"suite of {len(records)} runs, {WORKERS} at a time / their training, {each:.2g} s each",
        ratio=seconds / training,
        value=seconds,
        baseline=training,
        unit="s",
        target=("at most", MOST),
    )


def test_the_state_of_a_suite_is_read_fast(benchmark: BenchmarkFixture, quick: bool, generated_suite: Path) -> None:
    found: list[float] = []
    command = ["status", "smoke", f"output={generated_suite}", "--json"]
    benchmark.pedantic(lambda: found.append(HERE.cpu_seconds(command)), rounds=1 if quick else 3, warmup_rounds=1)
    leave_limit(benchmark, f"status of {GENERATED:,} runs", 1, min(found[1:]))


@pytest.fixture(scope="session")
def generated_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.append(str(ROOT / "tests"))  # where records are made
    from records import board, resealed

    from harness.plan import listing
    from harness.plan.listing import Listed
    from harness.records import record_name
    from harness.records.record import text

    folder = tmp_path_factory.mktemp("suite")
    (folder / "records").mkdir()
    template = board(seeds=(0,), sparsities=(0.9,))
    runs = []
    for seed in range(GENERATED):
        base = template[seed % len(template)]
        made = resealed({**base, "seed": seed, "config": {**base["config"], "seed": seed}})
        runs.append(
            Listed(made["key"], record_name(made), f"{made['method']}, seed {seed}", made["method"], "digits/convnet")
        )
        if seed % 10:  # a tenth is waiting
            (folder / "records" / record_name(made)).write_text(text(made))
    listing.write(folder, "smoke", [], runs)
    return folder
