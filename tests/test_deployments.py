"""Deployments as records of their own kind: validated, named where they are broken, and shown on the board."""

import copy
import csv
import io
import os
import subprocess
import sys

import pytest
from pages import Opened
from records import make

from harness.board import deployed
from harness.board import make as make_board
from harness.board.board import read
from harness.board.page import data as page_data
from harness.places import ROOT
from harness.records import RecordError, deployments, record_name, write
from harness.records.metrics import ACCURACY
from harness.reports import deployment as report

RATIO = {"dense_seconds": 0.004, "seconds": 0.002, "speedup": 2.0, "low": 1.9, "high": 2.1}


def kept(record, sha256="5" * 64):
    """Give a record a network that was kept of it."""
    return record | {"network": {"bytes": 5000, "sha256": sha256}}


def deployment(record, threads=2, speedup=2.0):
    """Return a deployment of a record's network."""
    ratio = RATIO | {"speedup": speedup, "low": 0.9 * speedup, "high": 1.1 * speedup, "seconds": 0.004 / speedup}
    formats = [
        {"name": "csr", "speedup": speedup, "refused": None},
        {"name": "2:4", "speedup": None, "refused": "needs an NVIDIA GPU of compute capability 8.0 or newer"},
    ]
    at = [{"batch": batch, "chosen": "csr", "dense_seconds": 1e-4, "formats": formats} for batch in (1, 32)]
    layer = {"name": "fc", "kind": "linear", "shape": [10, 128], "density": 0.1, "batches": at, "refused": None}
    return {
        "deployment": 1,
        "key": record["key"],
        "network": {
            **record["network"],
            "zstd_bytes": 4500,
            "dense_bytes": 24_000,
            "dense_zstd_bytes": 6000,
            "zstd_level": 3,
        },
        "about": {name: record[name] for name in ("method", "dataset", "model", "sparsity", "seed")} | {"density": 0.1},
        "conditions": {
            "device": "cpu",
            "precision": "float32",
            "threads": threads,
            "cpu": "AMD EPYC 9B45",
            "gpu": None,
            "torch": "2.11.0",
        },
        "flops_ratio": record["cost"]["inference_flops_ratio"],
        "repeats": 21,
        "tolerance": 1e-4,
        "latency": [{"batch": batch, **ratio, "error": 1e-6, "sparse_layers": 1} for batch in (1, 32)],
        "layers": [layer],
        "training": {
            "library": "sparselab 0.2.2",
            "batch": 128,
            "layers": [{"name": "fc", "shape": [10, 128], **RATIO}],
            "all": RATIO,
            "error": 1e-6,
            "refused": None,
        },
        "provenance": {
            "measured": "2026-11-26T12:00:00+00:00",
            "git_commit": None,
            "git_dirty": None,
            "python": "3.11.7",
        },
    }


@pytest.fixture
def made():
    return deployment(kept(make("rigl", 0.9)))


def written(folder, records, found):
    for record in records:
        write(record, folder / "records" / record_name(record))
    for each in found:
        deployments.write(each, folder)
    return read(folder / "records")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made.update(deployment=2), "deployment: 2 is not 1"),
        (lambda made: made.update(more=1), "'more' was unexpected"),
        (lambda made: made.update(key="x"), "key: "),
        (lambda made: made["network"].update(bytes=0), "network.bytes: "),
        (lambda made: made["latency"][0].update(speedup=-1.0), "latency.0.speedup: "),
        (lambda made: made["latency"][0].update(low=8.0, high=9.0, speedup=10.0), "is not in its interval"),
        (lambda made: made["latency"][0].update(low=8.0, high=None), "is not in its interval"),
        (lambda made: made["training"]["all"].update(low=900, high=1100, speedup=1e3), "is not that of its seconds, 2"),
        (
            lambda made: made["training"]["all"].update(dense_seconds=5e-324, seconds=9e18),
            "is not that of its seconds, 0",
        ),
        (lambda made: made["latency"][0].update(error=1.0), "differ by more than the tolerance"),
        (lambda made: made["latency"][0].update(error=None), "latency.0.error: "),
        (lambda made: made["latency"][0].update(sparse_layers=2), "2 layers in sparse formats, of 1"),
        (lambda made: made["latency"][0].update(sparse_layers=0), "a speed-up of 2 without a layer in a sparse format"),
        (lambda made: made.update(tolerance=1.0), "tolerance: 1 is more than 0.0001, that of float32"),
        (lambda made: made.update(repeats=1), "repeats: "),
        (lambda made: made["about"].update(sparsity=None), "about.sparsity: "),
        (lambda made: made["latency"].append(made["latency"][0]), "a batch comes twice"),
        (lambda made: made["layers"][0]["batches"][0].update(chosen="magic"), "a format that was not measured"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(made, change, said, tmp_path):
    broken = copy.deepcopy(made)
    change(broken)
    assert any(said in problem for problem in deployments.validate(broken))
    with pytest.raises(RecordError, match=said.replace("'", ".")):
        deployments.write(broken, tmp_path)
    assert not (tmp_path / "deploy").exists()


def test_what_strangers_leave_among_deployments_is_named_and_left_out(made, tmp_path):
    path = deployments.write(made, tmp_path)
    folder = path.parent
    (folder / "other.json").write_text(path.read_text())
    (folder / "text.json").write_text("{")
    (folder / "nan.json").write_text(path.read_text().replace('"repeats": 21', '"repeats": NaN'))
    (folder / "list.json").write_text("[1]")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    found, problems = deployments.load_folder(folder)
    assert list(found) == [path.name]
    told = dict(problems)
    assert told["deploy/other.json"] == f"is named otherwise than its content, which is {path.name}"
    assert told["deploy/text.json"].startswith("not valid JSON")
    assert "NaN is not JSON" in told["deploy/nan.json"]
    assert told["deploy/pipe.json"] == "not a regular file"
    assert len(told) == 6
    assert deployments.load_folder(tmp_path / "none") == ({}, [])


def test_reading_deployments_needs_no_torch(made, tmp_path):
    path = deployments.write(made, tmp_path)
    code = (
        "import sys; from harness.records import deployments; from harness.reports import deployment;"
        "made = deployments.load(sys.argv[1]); deployment.page(made); deployment.row(made);"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_figures_are_means_over_seeds_of_one_machine(tmp_path):
    records = [kept(make("rigl", 0.9, seed)) for seed in range(3)]
    found = [deployment(record, speedup=speedup) for record, speedup in zip(records, (1.0, 2.0, 4.0), strict=True)]
    board = written(tmp_path, records, found)
    ((row,),) = (table.rows for table in board.tables)
    one, many = deployed.figures(row)
    assert (one.batch, many.batch, one.seeds) == (1, 32, 3)
    assert one.on == "AMD EPYC 9B45, 2 threads, float32, torch 2.11.0"
    assert one.speedup == pytest.approx(2.0)  # the geometric mean
    assert one.seconds == pytest.approx((0.004 + 0.002 + 0.001) / 3)
    assert one.training == pytest.approx(2.0)
    assert one.flops_ratio == pytest.approx(records[0]["cost"]["inference_flops_ratio"])
    assert deployed.packed(row) == 5000
    assert deployed.speedups(row) == f"2× at batch 1, 2× at batch 32 ({one.on})"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_conditions_are_never_averaged(tmp_path, device):
    record = kept(make("rigl", 0.9))
    found = [deployment(record, 1), deployment(record, 2, speedup=4.0)]
    for each in found:
        each["conditions"] |= {"device": device, "gpu": "NVIDIA H100" if device == "cuda" else None}
    board = written(tmp_path, [record], found)
    row = board.tables[0].rows[0]
    assert [(figure.batch, figure.speedup) for figure in deployed.figures(row)] == [(1, 2), (32, 2), (1, 4), (32, 4)]
    assert deployed.alone(row) == []
    cells = deployed.cells(row)
    assert cells["measured_speedup_batch_1"] == ""
    assert cells["latency_measured_on"].count("thread") == 2
    assert cells["packed_bytes"] == "5000"
    assert page_data.data(board, "records")["rows"][0]["speedup"] is None  # nor sorted by


def test_a_deployment_of_another_network_is_named_and_not_counted(tmp_path):
    record, other = kept(make("rigl", 0.9)), kept(make("set", 0.9))
    unknown, swapped, forged = deployment(other), deployment(record), deployment(record, 1)
    swapped["network"]["sha256"] = "6" * 64
    forged["flops_ratio"] = 0.001
    without = make("gmp", 0.9)
    board = written(tmp_path, [record, without], [unknown, swapped, forged, deployment(kept(without))])
    told = {problem.file: problem.reason for problem in board.problems}
    assert all(file.startswith("deploy/") for file in told)
    reasons = sorted(told.values())
    assert len(reasons) == 4
    assert reasons[0].startswith("gives 0.001 times the dense FLOPs")
    assert reasons[1] == f"no record of the run {other['key']} that it was measured for"
    assert reasons[2] == reasons[3] == "was measured with another network than the one that the run's record names"
    assert all(not row.deployed for table in board.tables for row in table.rows)


def test_a_page_says_what_its_intervals_leave_open(made):
    (clear,) = report.page(made).lead[1:]
    assert clear.endswith("; measured speed-up 2× (1.8–2.2) at batch 1, 2× (1.8–2.2) at batch 32")
    made["latency"][1].update(low=0.5, high=9.0)
    speed, busy = report.page(made).lead[1:]
    assert speed.endswith("2× (0.5–9) at batch 32 (not shown to differ)")
    assert "measure again when it is idle" in busy


def test_every_view_of_the_board_shows_measured_speed(tmp_path):
    record = kept(make("rigl", 0.9))
    board = written(tmp_path, [record, make("set", 0.9)], [deployment(record, speedup=1.5)])
    made = make_board(tmp_path / "records", tmp_path)
    assert made.problems == ()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "leaderboard.csv").read_text())))
    found = {row["method"]: row for row in rows}
    assert found["rigl"]["measured_speedup_batch_1"] == "1.5"
    assert found["rigl"]["latency_seconds_batch_32"] == "0.002666666667"
    assert found["rigl"]["measured_speedup_sparse_training_step"] == "2"
    assert (found["rigl"]["packed_bytes"], found["rigl"]["unpacked_bytes"]) == ("5000", "24000")
    assert found["set"]["measured_speedup_batch_1"] == found["set"]["packed_bytes"] == ""
    text = (tmp_path / "leaderboard.md").read_text()
    assert "measured speed-up" in text
    assert "| rigl     | 0.9        | " in text
    assert "AMD EPYC 9B45, 2 threads, float32, torch 2.11.0" in text
    page = page_data.data(board, "records")
    point = next(row for row in page["rows"] if row["method"] == "rigl")
    on = "batch 1, AMD EPYC 9B45, 2 threads, float32, torch 2.11.0"
    assert page["tables"][0]["measuredOn"][0] == on
    assert point["deployed"][0] == [on, float(f"{record['cost']['inference_flops_ratio']:.6g}"), 1.5, "2.67 ms", 1]
    assert point["speedups"].startswith("1.5× at batch 1, 1.5× at batch 32")
    assert point["speedup"] == 1.5
    # the board is made anew when a deployment is added
    deployments.write(deployment(record, 1), tmp_path)
    make_board(tmp_path / "records", tmp_path)
    assert "1 thread, float32" in (tmp_path / "leaderboard.csv").read_text()


def test_without_deployments_the_board_says_nothing_of_them(tmp_path):
    written(tmp_path, [make("rigl", 0.9)], [])
    make_board(tmp_path / "records", tmp_path)
    assert "speed" not in (tmp_path / "leaderboard.md").read_text().lower()


def test_speed_never_stands_over_a_ratio_of_flops():
    """What the board calls speed is measured; a column or an axis of FLOPs says FLOPs."""
    from harness.board import wording
    from harness.board.page import plots

    for name in [*wording.headers(ACCURACY), *deployed.HEADERS]:
        assert not ("speed" in name.lower() and "FLOPs" in name)
    for spec in plots.page_specs({}).values():
        for title in _titles(spec):
            assert not ("speed" in title and "FLOPs" in title), title
    encoding = plots.measured_speed({})["encoding"]
    assert encoding["x"]["field"] == "share"
    assert "FLOPs" in encoding["x"]["title"]
    assert encoding["y"]["field"] == "speedup"
    assert "measured speed" in encoding["y"]["title"]


def _titles(value):
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "title" and isinstance(part, str):
                yield part
            yield from _titles(part)
    elif isinstance(value, list):
        for part in value:
            yield from _titles(part)


def test_the_page_draws_measured_speed_where_there_is_some(browser, tmp_path):
    records = [kept(make(method, 0.9)) for method in ("rigl", "set")]
    found = [deployment(record, threads) for record in records for threads in (1, 2)]
    written(tmp_path / "some", records, found)
    written(tmp_path / "none", [make("rigl", 0.9)], [])
    for name in ("some", "none"):
        make_board(tmp_path / name / "records", tmp_path / name)
    with Opened(browser, tmp_path / "some" / "leaderboard.html") as opened:
        assert opened.drawn("measured-speed").locator("g.mark-symbol path").count() == 2
        assert opened.page.locator("#measured-on option").count() == 4  # two numbers of threads, two batches
        opened.page.select_option("#measured-on", index=3)
        assert opened.drawn("measured-speed").locator("g.mark-symbol path").count() == 2
        assert opened.column("measured speed-up")[0].startswith("2× at batch 1, 2× at batch 32 (AMD EPYC")
        assert opened.column("packed file") == ["5 kB", "5 kB"]
        assert opened.trouble == []
    with Opened(browser, tmp_path / "none" / "leaderboard.html") as opened:
        assert not opened.page.locator("#measured-figure").is_visible()
        assert "measured speed-up" not in opened.page.locator("#board th").all_inner_texts()
        assert opened.trouble == []
