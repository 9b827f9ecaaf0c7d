"""The checker: what it passes, and every kind of forged or broken record that it refuses, with the reason."""

import contextlib
import copy
import json
import os
import subprocess
import sys

import pytest
from forgeries import FORGERIES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import GPU, METHODS, make, of_schema_1, resealed

from harness.audit import counts, recount
from harness.audit.submission import check
from harness.records import record_name, store
from harness.records.record import text
from harness.records.validate import validate


def triple(method="granet", sparsity=0.9, **kind):
    return [resealed(make(method, sparsity, seed, **kind)) for seed in (0, 1, 2)]


def check_one(path):
    return check([path])[path]


def refusals(folder, records, index=0):
    """Write records as they are, valid or not, and check one of them."""
    for each in records:
        (folder / record_name(each)).write_text(text(each))
    return check_one(folder / record_name(records[index]))


@pytest.mark.parametrize("method", METHODS)
def test_an_honest_record_of_every_method_passes(tmp_path, method):
    assert refusals(tmp_path, triple(method, 0.0 if method == "dense" else 0.9)) == []


@pytest.mark.parametrize("budget", [("epochs", 10, 1), ("steps", 100, 1), ("epochs", 3, 5)])
@pytest.mark.parametrize("runner", ["docker", "local"])
def test_an_honest_record_under_other_budgets_and_runners_passes(tmp_path, budget, runner):
    assert refusals(tmp_path, triple(budget=budget, runner=runner)) == []


def test_an_honest_record_of_a_gpu_passes(tmp_path):
    assert refusals(tmp_path, triple(gpu=GPU, runner="docker")) == []


@pytest.mark.parametrize("status", ["diverged", "timeout", "failed"])
def test_a_failure_passes_if_it_says_why(tmp_path, status):
    records = [*triple()[:2], resealed(make("granet", 0.9, 2, status=status))]
    assert refusals(tmp_path, records, index=2) == []
    records[2]["reason"] = None
    assert refusals(tmp_path, records, index=2) == [f"reason: missing, but the run is {status}"]


def test_seeds_that_failed_count_as_shown(tmp_path):
    records = [*triple()[:2], resealed(make("granet", 0.9, 2, status="diverged"))]
    assert refusals(tmp_path, records) == []


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_record_is_refused_with_the_reason(tmp_path, kind):
    forge, reason = FORGERIES[kind]
    records = triple(runner="docker")
    assert validate(records[0]) == []
    forge(records[0])
    found = refusals(tmp_path, records)
    assert any(reason in line for line in found), found


@pytest.mark.parametrize("kind", ["layers that cost less", "a learning rate changed after the run"])
def test_a_forger_who_recomputes_the_key_is_caught_where_the_ledger_knows(tmp_path, kind):
    records = triple()
    FORGERIES[kind][0](records[0])
    found = refusals(tmp_path, [resealed(records[0]), *records[1:]])
    if kind == "layers that cost less":
        assert any(line.startswith("train_flops") for line in found)
    else:  # it has become a record of another task, that stands there with one seed
        assert found == [
            "curve: lr 0.1 at step 16, the settings give 0.2",
            "seeds: only 0; a submission has at least 3, including those that failed",
        ]


def test_what_is_not_a_record_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"schema": 1')
    assert check_one(tmp_path / "a.json")[0].startswith("not valid JSON")
    assert check_one(tmp_path / "b.json") == ["unreadable: No such file or directory"]


def test_a_single_seed_is_no_submission(tmp_path):
    assert refusals(tmp_path, triple()[:1]) == [
        "seeds: only 0; a submission has at least 3, including those that failed"
    ]


def test_a_copy_of_a_record_is_refused(tmp_path):
    records = triple()
    copied = tmp_path / "copy.json"
    copied.write_text(text(records[0]))
    assert refusals(tmp_path, records) == []
    original, key = record_name(records[0]), records[0]["key"]
    assert check_one(copied) == [
        f"file: copy.json should be named {original}",
        f"key: {original} has the same key {key}; a run has one result",
    ]


def test_many_are_checked_in_their_order_and_a_bad_one_takes_none_of_the_others_down(tmp_path):
    good = [tmp_path / record_name(record) for record in triple()]
    for path, record in zip(good, triple(), strict=True):
        path.write_text(text(record))
    bad = {
        "infinity.json": text(triple()[0]).replace('"energy_joules": null', '"energy_joules": 1e999'),
        "surrogate.json": text(triple()[0]).replace('"granet"', '"\\ud800"'),
        "empty.json": "",
    }
    for name, content in bad.items():
        (tmp_path / name).write_text(content)
    os.mkfifo(tmp_path / "pipe.json")
    paths = [*(tmp_path / name for name in [*bad, "pipe.json"]), *good]
    found = check(paths)
    assert list(found) == paths
    assert [found[path] for path in good] == [[], [], []]
    assert [found[tmp_path / name][0] for name in [*bad, "pipe.json"]] == [
        "cost.energy_joules: inf is not a finite number",
        "not valid text: half of a surrogate pair",
        "not valid JSON: Expecting value: line 1 column 1 (char 0)",
        "not a regular file",
    ]


def test_a_record_of_schema_1_passes_beside_those_of_schema_2(tmp_path):
    records = triple(runner="docker")
    assert refusals(tmp_path, [of_schema_1(records[0]), *records[1:]]) == []


def test_the_records_of_another_folder_are_not_neighbours(tmp_path):
    records = triple()
    for name, part in {"a": records, "b": records[:1]}.items():
        (tmp_path / name).mkdir()
        for record in part:
            (tmp_path / name / record_name(record)).write_text(text(record))
    a, b = (tmp_path / name / record_name(records[0]) for name in "ab")
    assert check([b, a]) == {b: ["seeds: only 0; a submission has at least 3, including those that failed"], a: []}


@pytest.mark.parametrize(
    ("part", "name", "reason"),
    [
        ("budget", "miles", "config: unknown budget kind 'miles': allowed are epochs"),
        ("method", "magic", "config: unknown method 'magic': allowed are "),
    ],
)
def test_a_name_that_is_not_known_here_is_refused_with_those_that_are(tmp_path, part, name, reason):
    records = triple()
    for record in records:
        record["config"]["budget"]["rounds"] = record["budget"]["rounds"] = "each"
        record["config"][part]["kind" if part == "budget" else "name"] = name
        record[part] = dict(record["config"]["budget"]) if part == "budget" else name
    (found,) = refusals(tmp_path, [resealed(record) for record in records])
    assert found.startswith(reason)


def test_a_config_without_its_parts_is_refused_not_a_crash(tmp_path):
    for part in ("layers", "fixed_flops", "dataset", "recipe", "budget"):
        records = triple()
        del records[0]["config"][part]
        assert refusals(tmp_path, records), part


ORIGINAL = triple(runner="docker")[0]


def _places(value, prefix=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*prefix, key)
        yield from _places(part, (*prefix, key))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(list(_places(ORIGINAL))),
            st.sampled_from([None, 0, -1, 1.5, "x", "\u202e\x1b\n", [], {}, [0], {"name": "x"}, 2**62, 1e18, True])
            | st.integers()
            | st.floats()
            | st.text(st.characters()),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_a_stranger_hands_in_the_answer_is_a_list_of_lines(tmp_path, changes):
    changed = copy.deepcopy(ORIGINAL)
    for place, new in changes:
        inner = changed
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = copy.deepcopy(new)  # a later change may go into it
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(changed))
    found = check_one(path)
    assert found
    assert all(line.isprintable() and 0 < len(line) < 10_000 for line in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cost": {"steps": 2**62}}, "events of a training, more than the 1,000,000 of any record"),
        ({"cost": {"steps": 2**62}, "config": {"evaluations": 2**62}}, "evaluations of a training, more than"),
    ],
)
def test_numbers_without_end_are_refused_at_once(tmp_path, change, said):
    record = copy.deepcopy(ORIGINAL)
    for part, values in change.items():
        record[part].update(values)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(record))
    assert any(said in line for line in check_one(path))


def test_the_checker_needs_neither_torch_nor_hydra(tmp_path):
    for record in triple():
        (tmp_path / record_name(record)).write_text(text(record))
    code = (
        "import sys; from pathlib import Path; from harness.audit.submission import check;"
        "found = check(sorted(Path(sys.argv[1]).iterdir()));"
        "print(len(found), sum(map(len, found.values())), {'torch', 'hydra', 'pandas', 'scipy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout == "3 0 set()\n"


def test_checking_a_folder_reads_each_file_once(tmp_path, monkeypatch):
    for record in triple():
        (tmp_path / record_name(record)).write_text(text(record))
    read = []
    real = store.parse
    monkeypatch.setattr(store, "parse", lambda content: read.append(1) or real(content))
    assert len(check(sorted(tmp_path.iterdir()))) == 3
    assert len(read) == 3


@pytest.mark.parametrize("amount", [0.25, 0.5])
def test_a_flops_budget_may_be_passed_by_one_step_only(amount):
    record = make("static", 0.9, 0)
    truth = recount.recount(record)
    record["config"]["budget"] = {"kind": "flops", "amount": truth.train_flops / truth.reference_flops, "stretch": 1}
    assert [line for line in counts.refusals(record) if line.startswith("budget")] == []
    record["config"]["budget"]["amount"] *= amount
    assert [line for line in counts.refusals(record) if line.startswith("budget")]


def test_a_seconds_budget_is_compared_with_the_time_of_training():
    record = make("static", 0.9, 0)
    spent = record["cost"]["seconds"]["train"] + record["cost"]["seconds"]["topology"]
    for amount, refused in ((spent, False), (spent - 0.5, False), (spent - 5, True), (spent + 5, True)):
        record["config"]["budget"] = {"kind": "seconds", "amount": amount, "stretch": 1}
        found = [line for line in counts.refusals(record) if line.startswith("budget")]
        assert bool(found) == refused, (amount, found)
