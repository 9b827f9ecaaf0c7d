"""Seeds until resolved: what a suite trains next, what its records carry, and what is refused."""

from dataclasses import replace

import pytest
from records import make
from runs import small, suite

from harness import config
from harness.board import spending
from harness.cli import main
from harness.errors import UsageError
from harness.executors.publishing import record_path
from harness.plan import until
from harness.plan.planned import plan
from harness.records import empty, load, write

PLAN = spending.planned(0.005)
STEADY = (0.0, 0.0004, -0.0003, 0.0002, -0.0001)


def tiny(method, **more):
    """A run of a test set that can show small differences."""
    return small(method, dataset={"test_examples": 10_000}, **more)


@pytest.fixture
def cells(tmp_path):
    return [replace(tiny(method), output=str(tmp_path)) for method in ("static", "rigl", "set", "dense")]


def pretend(run, seed, accuracy, looks=PLAN, status="done"):
    """Publish the record of a run that was not trained."""
    (planned,) = plan([replace(run, seed=seed)])
    record = empty(config.to_dict(planned.run), planned.key, "local", code=planned.identity.code)
    like = make("static", 0.9, 0)
    record |= {"status": status, "reason": None if status == "done" else status}
    if status == "done":
        record |= {"metrics": like["metrics"] | {"test_accuracy": accuracy}, "cost": like["cost"]}
    record["provenance"] |= like["provenance"] | {
        "data_sha256": planned.identity.data,
        "torch": planned.identity.environment["torch"],
    }
    if looks:
        record["provenance"]["looks"] = looks.as_record()
    path = record_path(planned)
    path.parent.mkdir(exist_ok=True)
    write(record, path)


def fill(cells, means, seeds):
    for run, mean in zip(cells, means, strict=True):
        for seed in seeds:
            draw = STEADY[seed % 5] * (1 if run.method.name != "rigl" else -2)
            pretend(run, seed, mean + draw)


def nexts(cells, tried=(), looks=PLAN):
    return [(run.run.method.name, run.run.seed) for run in until.state(cells, looks, tried).runs]


def test_every_row_gets_the_seeds_of_the_first_look(cells):
    found = nexts(cells)
    assert [seed for _, seed in found] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert {method for method, _ in found} == {"static", "rigl", "set", "dense"}


def test_what_is_done_is_not_planned_again(cells):
    pretend(cells[0], 0, 0.9)
    pretend(cells[1], 1, 0.9, status="diverged")
    assert len(nexts(cells)) == 10


def test_only_rows_with_an_undecided_pair_get_the_next_seeds(cells):
    fill(cells, (0.9, 0.9, 0.7, 0.95), (0, 1, 2))
    assert nexts(cells) == [("static", 3), ("rigl", 3), ("static", 4), ("rigl", 4), ("dense", 3), ("dense", 4)]
    (line,) = until.state(cells, PLAN).lines
    assert "after look 1 of 5 (3 seeds), 1 of 3 pairs undecided; next 5 seeds" in line


def test_a_level_that_is_decided_needs_nothing(cells):
    fill(cells, (0.9, 0.8, 0.7, 0.95), (0, 1, 2))
    state = until.state(cells, PLAN)
    assert state.runs == []
    assert "done: every pair is decided" in state.lines[0]


def test_a_level_that_can_show_the_margin_needs_nothing(cells):
    fill(cells, (0.9, 0.9, 0.9, 0.95), (0, 1, 2))
    assert nexts(cells, looks=spending.planned(0.4)) == []
    assert nexts(cells, looks=spending.planned(0.001))


def test_what_a_row_lacks_comes_before_the_next_look(cells):
    fill(cells, (0.9, 0.9, 0.9, 0.95), (0, 1, 2))
    for run in (cells[0], cells[1]):
        for seed in (3, 4):
            pretend(run, seed, 0.9 + STEADY[seed])
    assert nexts(cells)[:2] == [("set", 3), ("set", 4)]


def test_a_run_that_was_tried_is_not_tried_for_ever(cells):
    fill(cells, (0.9, 0.9, 0.7, 0.95), (0, 1, 2))
    tried = {planned.key for planned in until.state(cells, PLAN).runs}
    assert nexts(cells, tried) == []


def test_a_row_that_diverged_is_not_continued(cells):
    fill(cells, (0.9, 0.9, 0.9, 0.95), (0, 1, 2))
    pretend(cells[0], 3, None, status="diverged")
    assert {method for method, _ in nexts(cells)} == {"rigl", "set", "dense"}


def test_levels_that_promise_more_come_first(cells, tmp_path):
    low = [replace(tiny(run.method.name, sparsity=0.8), output=str(tmp_path)) for run in cells[:2]]
    fill([*cells[:2], *low], (0.9, 0.9, 0.9, 0.9035), (0, 1, 2))
    found = [run.run.sparsity for run in until.state([*cells[:2], *low], PLAN).runs]
    assert found == [0.8] * 4 + [0.9] * 4


def test_seeds_beyond_the_first_look_that_declared_no_plan_are_refused(cells):
    fill(cells, (0.9, 0.9, 0.7, 0.95), (0, 1, 2))
    pretend(cells[0], 3, 0.9, looks=None)
    with pytest.raises(UsageError, match=r"static 0.9 .* seed 3 was trained without the looks"):
        until.state(cells, PLAN)


def test_seeds_of_the_first_look_need_no_plan(cells):
    for run in cells:
        for seed in range(3):
            pretend(run, seed, 0.9 + STEADY[seed] * (1 if run.method.name == "set" else -2), looks=None)
    assert nexts(cells)[0][1] == 3


def test_seeds_are_not_chosen_by_hand_as_well():
    with pytest.raises(UsageError, match="seed=4: with UNTIL"):
        until.cells("smoke", ["seed=4"])


@pytest.mark.parametrize("value", ["0", "-1", "x", "nan", "inf", "51", "0.01", "1_0", "１", ""])
def test_a_bad_margin_is_refused_in_one_line(value, capsys):
    with pytest.raises(SystemExit) as ended:
        main.parse(["suite", "--suite", "smoke", f"--until={value}"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{value!r} is not a number of percentage points in 0.05...50" in said
    assert len(said.splitlines()) == 1


def call(*arguments):
    given = main.parse(arguments)
    return given.call(given)


def test_a_plan_shows_the_next_look(tmp_path, capsys):
    given = ["--until", "0.5", "method=[static,set]", "runner=local", f"output={tmp_path}"]
    assert call("plan", "--suite", "smoke", *given) == 0
    out, said = capsys.readouterr()
    assert "6 runs, 0 done" in out
    assert "UNTIL takes its looks at the rows of this suite, local ones among them; the board ranks" in said
    with pytest.raises(UsageError, match="takes a suite"):
        call("plan", *given)
    with pytest.raises(UsageError, match="test=false: UNTIL"):
        call("plan", "--suite", "smoke", *given, "test=false")


def test_a_suite_adds_seeds_until_it_has_ended_and_resumes_where_it_was(tmp_path, capsys):
    """Real runs: two methods on digits for one epoch, which differ by less than the noise of their seeds."""
    given = ["method=[static,set]", "budget=epochs:1", "runner=local", "evaluations=1", f"output={tmp_path}"]
    assert suite("smoke", given, jobs=2, until=0.5) == 0
    records = [load(path) for path in (tmp_path / "records").glob("*.json")]
    assert sorted((record["method"], record["seed"]) for record in records) == [
        (method, seed) for method in ("set", "static") for seed in range(3)
    ]
    assert all(record["provenance"]["looks"] == spending.planned(0.5).as_record() for record in records)
    assert "after look 1 of 5 (3 seeds), 1 of 1 pairs undecided; done" in capsys.readouterr().err
    assert nexts(until.cells("smoke", given), looks=spending.planned(0.5)) == []
    # the margin decides when seeds stop and nothing else, so it may be changed
    assert {*nexts(until.cells("smoke", given))} == {(method, seed) for seed in (3, 4) for method in ("set", "static")}
