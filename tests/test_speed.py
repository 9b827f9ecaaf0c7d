"""`sparsebench speed` runs its suites and prints what they measured; no test asserts how fast anything is."""

import json
import os
import subprocess
import sys

import pytest

from harness.errors import UsageError
from harness.speed import page, suites


def test_the_quick_suites_run_and_leave_ratios_of_named_amounts(tmp_path):
    command = [sys.executable, "-m", "harness.cli", "speed", "--quick", "--json", str(tmp_path / "speed.json")]
    # Within a worker of xdist pytest-benchmark measures nothing, and this is a run of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "speed.json").read_text())
    assert len({row["name"] for row in rows}) == len(rows) >= 6
    for row in rows:
        assert sorted(row) == ["baseline", "machine", "name", "ratio", "unit", "value"]
        assert row["name"].count(" / ") == 1
        assert row["name"] in done.stdout
        assert row["value"] > 0
        assert row["baseline"] > 0
        assert row["ratio"] > 0


def test_a_ratio_is_the_median_of_those_of_neighbours_whatever_spells_a_machine_has():
    baseline = [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 3.0]
    ratio, interval = page.paired_ratio([1.5 * seconds for seconds in baseline], baseline)
    assert ratio == pytest.approx(1.5)
    assert interval == pytest.approx((1.5, 1.5))
    # Of nine values the binomial interval around the median is that of the second and the eighth.
    assert page.paired_ratio([1, 2, 3, 4, 5, 6, 7, 8, 9], [1] * 9) == (5, (2, 8))
    assert page.paired_ratio([2, 4], [1, 1]) == (3, None)


def test_a_file_that_cannot_be_written_is_named_before_anything_is_measured(tmp_path):
    with pytest.raises(UsageError, match=r"absent/speed\.json: cannot be written"):
        suites.main(tmp_path / "absent" / "speed.json")


def test_a_commit_that_git_does_not_know_is_named_before_anything_is_measured():
    with pytest.raises(UsageError, match=r"--against 6bd07dfff: git knows no such commit here"):
        suites.main(against="6bd07dfff")


def test_plans_import_neither_torch_s_compiler_nor_scikit_learn_which_take_seconds():
    code = (
        "import sys\n"
        "from harness.cli.main import main\n"
        "for model in ('mlp', 'convnet', 'resnet20'):\n"
        "    sys.argv = ['sparsebench', 'plan', 'method=rigl', 'dataset=digits', f'model={model}', 'device=cpu']\n"
        "    assert main() == 0\n"
        "print(sorted({'torch._dynamo', 'sympy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def measured(gpu=None, **info):
    """What pytest-benchmark would have written of one comparison."""
    row = {"name": "a step / another, net", "ratio": 1.004, "value": 0.2008, "baseline": 0.2, "unit": "s"}
    machine = {"gpu": gpu, "cpu": "Some CPU x2", "torch": "2.11.0", "python": "3.11.7", "system": "Linux"}
    machine |= {"cuda": "13.0", "cudnn": 91900}
    return {
        "machine_info": machine | info,
        "commit_info": {"id": "0123456789abcdef", "dirty": False, "author_name": "Somebody"},
        "datetime": "2026-11-01T12:00:00+00:00",
        "benchmarks": [
            {"extra_info": {**row, "target": ["at most", 1.01], "interval": [0.99712, 1.011]}},
            {"extra_info": {**row, "name": "an event / another, net", "target": ["at least", 12]}},
            {"extra_info": {**row, "name": "a load / another, net", "target": None}, "params": {"path": "/home/me"}},
        ],
    }


def test_what_was_measured_is_kept_for_each_machine_and_the_page_shows_all(tmp_path):
    page.keep(measured(), tmp_path)
    page.keep(measured(gpu={"name": "NVIDIA H100", "driver": "580.1"}), tmp_path)
    kept = sorted((tmp_path / "results").iterdir())
    assert [path.name for path in kept] == ["nvidia-h100.json", "some-cpu-x2.json"]
    assert "Somebody" not in kept[0].read_text()
    assert "/home/me" not in kept[0].read_text()
    text = (tmp_path / "README.md").read_text()
    for part in ("## Some CPU x2", "## NVIDIA H100", "driver 580.1", "2026-11-01, commit 0123456789ab; torch 2.11.0"):
        assert part in text
    assert text.count("| a step / another, net | 1.004 (0.9971–1.011) | at most 1.01 | 201 ms | 200 ms |") == 2
    assert text.count("| an event / another, net | 1.004 | at least 12: missed | 201 ms | 200 ms |") == 2
    assert text.count("| a load / another, net | 1.004 |  | 201 ms | 200 ms |") == 2


def test_the_same_measurements_give_the_same_page_again(tmp_path):
    page.keep(measured(), tmp_path)
    before = (tmp_path / "README.md").read_bytes()
    page.keep(measured(), tmp_path)
    assert (tmp_path / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234.4, "s", "1,234 s"),
        (2.5, "s", "2.5 s"),
        (0.0123, "s", "12.3 ms"),
        (4.2e-5, "s", "42 µs"),
        (507_000, "images/s", "507,000 images/s"),
    ],
)
def test_amounts_have_the_unit_that_suits_them(value, unit, text):
    assert page.amount(value, unit) == text
