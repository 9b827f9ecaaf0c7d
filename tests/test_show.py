"""A run on one page: every status, hostile content, plots, events that are recounted, and how a record is named."""

import html.parser
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import GPU, LAYERS, make, of_schema_1

from harness.errors import UsageError
from harness.places import ROOT
from harness.records import load, record_name, write
from harness.reports import drawing, find, history, run, sketch, terminal
from harness.reports import html as as_html
from harness.reports.page import Page, Section, Series, points
from harness.vocabulary import STATUSES

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e[bold]:smile:&\"'"
SERIES = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=30).map(
    lambda values: Series("x", list(range(len(values))), values, len(values) - 1)
)


def shown(record, path=Path("results/records/x.json")):
    page = run.page(path, record)
    return terminal.show(page), as_html.page(page)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("status", STATUSES)
def test_a_run_of_any_status_has_a_page_that_says_it_and_why(status):
    record = make("rigl", 0.9, 1, status=status)
    for text in shown(record):
        assert "rigl on digits/convnet, sparsity 0.9, seed 1" in text
        assert f"{status}: made locally, not verified, budget 10 epochs" in text
        if status != "done":
            assert f"why: {record['reason']}" in text


def test_a_page_has_result_cost_curve_layers_events_and_provenance():
    record = make("granet", 0.9, 0, runner="docker", gpu=GPU)
    for text in shown(record):
        for part in ("Result", "Cost", "Over training", "Density by layer", "Events", "How it was made", "Settings"):
            assert part in text
        assert f"{100 * record['metrics']['test_accuracy']:.2f} %" in text
        assert f"{record['cost']['train_flops_ratio']:.3g}×" in text
        assert "NVIDIA H100 80GB HBM3" in text
        assert record["provenance"]["git_commit"] in text
        assert record["key"] in text
        for layer in LAYERS:
            assert f"{100 * record['metrics']['layer_density'][layer['name']]:.2f} %" in text


def test_trials_older_schemas_and_records_of_real_runs_have_pages():
    trial = make("rigl", 0.9)
    trial["config"]["test"], trial["metrics"]["test_accuracy"] = False, None
    assert "a trial of tuning has no test accuracy" in shown(trial)[0]
    assert "done" in shown(of_schema_1(make("set", 0.9)) | {"code": make()["code"], "image": None})[0]
    for path in sorted((ROOT / "results/records").glob("*-s0-*.json"))[::7]:
        text, page = shown(load(path), path)
        assert "FLOPs" in text
        assert Tags(page).open == []


def test_a_record_with_nothing_measured_or_a_strange_config_has_a_page():
    record = make("rigl", 0.9, status="failed")
    for layers in (None, 3, [], [{"name": "a"}], [{"name": "a", "shape": [1], "weights": 0}]):
        record["config"]["layers"] = layers
        assert "failed" in shown(record)[0]
    record = make("rigl", 0.9)
    record["config"]["recipe"]["batch_size"] = 0
    assert {each.flops for each in history.events(record) if each.dense_gradient} == {None}
    record["topology"][1]["active"] = [1]  # not of its layers
    assert all(layer.over_time is None for layer in history.layers(record))
    assert "done" in shown(record)[0]


def test_hostile_text_is_shown_and_does_nothing():
    record = make("rigl", 0.9, status="diverged")
    record["reason"] = HOSTILE
    record["method"] = record["config"]["method"]["name"] = HOSTILE
    record["provenance"]["cpu"] = HOSTILE
    record["config"]["recipe"][HOSTILE] = HOSTILE
    text, page = shown(record)
    assert "\x1b" not in text
    assert "\u202e" not in text + page
    assert "[bold]:smile:" in text
    assert not {"script", "img", "iframe"} & {tag for tag, _ in Tags(page).found}
    assert "&lt;script&gt;alert(1)" in page
    assert all("http" not in str(value) for _, values in Tags(page).found for value in values.values())


def test_the_page_runs_no_script_and_forbids_the_network():
    tags = Tags(shown(make())[1])
    policies = [values["content"] for tag, values in tags.found if "http-equiv" in values]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not any(name.startswith("on") or name == "src" for _, values in tags.found for name in values)


@pytest.mark.parametrize("method", ["static", "set", "rigl", "gmp", "granet"])
def test_events_are_counted_by_kind_and_their_flops_are_the_ledgers(method):
    record = make(method, 0.9)
    found = history.events(record)
    entries = record["topology"]
    assert sum(len(each.steps) for each in found) == len(entries) - 1
    # by hand: 1000 images an epoch in batches of 64, so that the 16th of each has 40
    extra = 0
    for before, after in itertools.pairwise(entries):
        if after["dense_gradient"]:
            missing = sum(
                2 * layer["uses"] * (layer["weights"] - kept)
                for layer, kept in zip(LAYERS, before["active"], strict=True)
            )
            extra += missing * (64 if after["step"] % 16 else 40)
    assert sum(each.flops for each in found) == extra
    falls = {each.change for each in found if each.change == "fewer weights"}
    assert bool(falls) == (method in ("gmp", "granet"))


def test_densities_of_layers_hold_from_one_event_to_the_next():
    record = make("gmp", 0.9)
    layer = history.layers(record)[1]
    assert (layer.name, layer.start, layer.end) == ("conv2", 1.0, record["metrics"]["layer_density"]["conv2"])
    steps = record["cost"]["steps"] + 1
    sampled = layer.over_time.sampled(steps)
    for step, density in enumerate(sampled):
        (*_, entry) = (each for each in record["topology"] if each["step"] <= step)
        assert density == pytest.approx(100 * entry["active"][1] / 4608)


@given(SERIES, st.integers(1, 50), st.integers(2, 9), st.booleans())
def test_any_series_can_be_drawn(series, width, height, plain):
    bars = sketch.sparkline(series, width, plain=plain)
    lines = sketch.plot(series, width, height, plain=plain)
    assert len(bars) == width
    assert [len(line) for line in lines] == [width] * height
    assert bars.isascii() == plain
    blank = " " if plain else "\u2800"
    assert all(any(line[place] != blank for line in lines) for place in range(width))
    assert "nan" not in drawing.spark(series)


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    series = Series("x", [0, 10], [0.0, 1.0], 10)
    assert sketch.sparkline(series, 8) == "▁▂▃▄▅▆▇█"
    assert sketch.plot(series, 3, 3, plain=True) == ["  *", " * ", "*  "]
    assert sketch.joined(["a", "b", "c"], "0", "10") == ["10 a", "   b", " 0 c"]
    assert series.sampled(5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Series("x", [0, 5], [1.0, 2.0], 10, held=True).sampled(5) == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_differences_have_no_negative_zero():
    assert points(-0.00001) == "+0.00 points"
    assert points(-0.0123, 0.005) == "-1.23 ± 0.50 points"


def test_an_ascii_terminal_gets_ascii(monkeypatch, tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        text = terminal.show(run.page(Path("x.json"), make()))
        assert text.isascii()
        assert terminal.show(Page("t", ["±"], [Section("s", notes=["–"])])).splitlines()[:2] == ["t", "+/-"]


@pytest.fixture
def output(tmp_path):
    for record in (make("rigl", 0.9, 0), make("rigl", 0.9, 1), make("set", 0.9, 0, status="diverged")):
        write(record, tmp_path / "records" / record_name(record))
    return tmp_path


def test_a_record_is_named_by_its_file_its_key_or_the_beginning_of_its_name(output):
    record = make("rigl", 0.9, 1)
    path = output / "records" / record_name(record)
    for text in (str(path), record["key"], record["key"][:6], "digits-convnet-rigl-0.9-s1", path.name, path.stem):
        assert find.one(text, output) == (path, load(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("digits-convnet-rigl", "'digits-convnet-rigl' stands for 2 records: digits-convnet-rigl-0.9-s0-"),
        ("nothing", "no record 'nothing' in"),
        ("", "is empty"),
        ("x" * 5000, "no record 'xxx"),
        ("a\0b", "no record"),
        (str(ROOT), "is a folder"),
        (str(ROOT / "README.md"), "is not a record: not valid JSON"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_a_record_that_cannot_be_found_is_an_error_in_one_line(output, text, said):
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        find.one(text, output)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


def test_the_command_prints_a_page_or_writes_one_and_never_a_traceback(output):
    done = command("show", "digits-convnet-set", f"output={output}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "why: the loss became NaN at step 31" in done.stdout
    file = output / "page.html"
    assert command("show", "digits-convnet-set", f"output={output}", "--html", str(file)).returncode == 0
    assert file.read_text().startswith("<!doctype html>")
    records = output / "records" / record_name(make("rigl", 0.9, 0))
    before = records.read_text()
    for arguments in (["--html", str(records)], ["--html", str(output)], ["output="], ["seed=1"]):
        failed = command("show", "digits-convnet-set", f"output={output}", *arguments)
        assert failed.returncode == 2
        assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert records.read_text() == before
    assert json.loads(before)["method"] == "rigl"


def test_neither_command_imports_torch(output):
    code = (
        "import sys; from pathlib import Path; from harness.cli import main; status = main.main();"
        "assert status == 0, status; print(sorted({'torch', 'hydra', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    for arguments in (["show", "digits-convnet-set"], ["compare", "digits-convnet-rigl-0.9-s0", "method=set"]):
        given = [*arguments, f"output={output}"]
        write(make("set", 0.9, 0), output / "records" / record_name(make("set", 0.9, 0)))
        done = subprocess.run(
            [sys.executable, "-c", code, *given], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
