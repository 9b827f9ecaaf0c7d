"""The list of cells that a standing is over: where it is read from, and what is refused."""

import csv
import io
import re

import pytest
from standings import METHODS, declare, drawn, records

from harness.board import build, standing
from harness.board.standing import words
from harness.errors import UsageError
from harness.places import TREE
from harness.records import record_name, write


def test_the_projects_cells_are_declared():
    declared = standing.read(TREE / "standing.yaml")
    assert sum(cell.weight for cell in declared.cells) == pytest.approx(1)


def test_a_folder_may_declare_cells_of_its_own(tmp_path):
    for each in records(drawn(8, "ab")):
        write(each, tmp_path / "records" / record_name(each))
    build.make(tmp_path / "records", tmp_path)
    assert words.NONE in (tmp_path / "leaderboard.md").read_text(encoding="utf-8").replace("\\", "")
    declare(tmp_path, "ab")
    build.make(tmp_path / "records", tmp_path)  # not up to date, though no record changed
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert "2 cells of 2 tasks, as published; 2 with records here" in text
    assert re.search(r"\| static +\| \d\.\d\d +\|", text)
    found = list(csv.DictReader(io.StringIO((tmp_path / "standing.csv").read_text())))
    assert {row["method"] for row in found} == set(METHODS)
    assert {row["wins_over static"] for row in found} - {""} <= {"0", "0.5", "1"}


TASK = "{dataset: a, model: convnet, recipe: drawn, device: cpu"


def one(rest):
    """A list of cells with one task."""
    return f"version: 1\ntasks: [{TASK}{rest}}}]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("version: [", "cannot read"),
        ("- 1", "the file has [1]; it needs version, tasks, ruleset (optional)"),
        ("version: 0\ntasks: [{}]", "version 0 is not a whole number from 1"),
        ("version: 1\ntasks: []", "tasks [] is not a list of tasks"),
        ("version: 1\nruleset: mine\ntasks: [{}]", "ruleset 'mine' is not one of 'as published' and 'equally tuned'"),
        (one(""), "task 1 has dataset, model, recipe, device; it needs"),
        (one(", budgets: [epochs], sparsities: [0.9]"), "budget 'epochs' is not like epochs:160"),
        (one(", budgets: ['epochs:1.2.3'], sparsities: [0.9]"), "budget 'epochs:1.2.3' is not"),
        (one(", budgets: ['epochs:3'], sparsities: [90]"), "sparsity 90 of task 1 is not between"),
        (one(", budgets: ['epochs:3'], sparsities: [0.9, 0.9]"), "at 0.9 is declared twice"),
        (
            one(f", budgets: ['epochs:3'], sparsities: [0.9]}}, {TASK}, budgets: ['epochs:3'], sparsities: [0.8]"),
            "is declared as two tasks",
        ),
    ],
)
def test_a_wrong_list_of_cells_is_refused_in_a_line(tmp_path, text, why):
    path = tmp_path / "standing.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        standing.read(path)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
