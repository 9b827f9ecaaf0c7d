"""The record: its schema, its file, its name."""

import copy
import json
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import board, config, make

from harness.records import record, schema
from harness.records import validate as conform


def places(value, prefix=()):
    """Yield the path of every value inside a record."""
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*prefix, key))


EXAMPLE = make("rigl", 0.9, 1)
PLACES = [place for place in places(EXAMPLE) if place]


def put(value, place, new):
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return changed


def test_every_kind_of_record_keeps_the_schema():
    for each in [*board(seeds=(0,)), make(status="diverged"), make(status="invalid"), make(runner="docker")]:
        assert record.validate(each) == []


def test_an_empty_record_has_every_key_and_keeps_the_schema():
    made = record.empty(config("set", 0.5, 7), key="0" * 16, runner="local", status="timeout", reason="too slow")
    assert list(made) == list(schema.SCHEMA["properties"])
    assert made["metrics"].keys() == EXAMPLE["metrics"].keys()
    assert made["cost"]["seconds"].keys() == EXAMPLE["cost"]["seconds"].keys()
    assert record.validate(made) == []


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("metrics", "test_accuracy"), 1.2, "metrics.test_accuracy: 1.2 is greater"),
        (("metrics", "test_accuracy"), "0.9", "metrics.test_accuracy: '0.9' is not of type"),
        (("metrics", "test_accuracy"), None, "metrics.test_accuracy: a run that is done has one"),
        (("status",), "fine", "status: 'fine' is not one of"),
        (("sparsity",), 1.0, "sparsity: 1.0 is greater than or equal to"),
        (("seed",), -1, "seed: -1 is less"),
        (("seed",), True, "seed: True is not of type"),
        (("key",), "xyz", "key: 'xyz' does not match"),
        (("cost", "train_flops"), 1.5, "cost.train_flops: 1.5 is not of type"),
        (("cost", "seconds"), ..., "cost: 'seconds' is a required property"),
        (("curve", 2, "lr"), ..., "curve.2: 'lr' is a required property"),
        (("extra",), 1, "Additional properties are not allowed ('extra' was unexpected)"),
        (("schema",), 2, "schema 2 is not 1, the one this version reads"),
        (("provenance", "started"), "yesterday", "provenance.started: 'yesterday' does not match"),
    ],
)
def test_a_broken_record_is_told_where_and_what(place, new, said):
    problems = record.validate(put(EXAMPLE, place, new))
    assert any(said in problem for problem in problems), problems


@settings(max_examples=300, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    new=st.one_of(
        st.just(...),
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.floats(-2, 3, allow_nan=False),
        st.sampled_from(["", "done", "2026-11-20T10:00:00Z", [], {}, [0.5], {"a": 1}]),
    ),
)
def test_the_fast_check_and_the_library_agree(place, new):
    changed = put(EXAMPLE, place, new)
    assert conform.accepts(changed) == (conform.complaints(changed) == [])


@pytest.mark.parametrize("value", [None, 3, [], "text", {}])
def test_what_is_no_record_at_all_is_a_problem_not_a_crash(value):
    assert record.validate(value)


def test_a_keyword_that_the_fast_check_does_not_know_is_an_error():
    with pytest.raises(ValueError, match="maxLength"):
        conform.compiled({"maxLength": 3})


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record.write(EXAMPLE, tmp_path / "deep" / "a.json")
    assert record.load(tmp_path / "deep" / "a.json") == EXAMPLE


def test_the_file_is_readable_and_the_same_every_time(tmp_path):
    shuffled = dict(sorted(EXAMPLE.items(), reverse=True))
    record.write(EXAMPLE, tmp_path / "a.json")
    record.write(shuffled, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert lines[1] == '"schema": 1,'
    assert len(lines) == len(EXAMPLE) + 2


def test_numbers_that_are_not_finite_become_null(tmp_path):
    odd = copy.deepcopy(EXAMPLE)
    odd["metrics"]["test_loss"] = math.nan
    odd["curve"][0]["train_loss"] = -math.inf
    record.write(odd, tmp_path / "a.json")
    back = record.load(tmp_path / "a.json")
    assert back["metrics"]["test_loss"] is None
    assert back["curve"][0]["train_loss"] is None


def test_a_bad_record_is_never_written_and_leaves_the_old_one(tmp_path):
    record.write(EXAMPLE, tmp_path / "a.json")
    with pytest.raises(record.RecordError, match=r"status: 'fine' is not one of"):
        record.write({**EXAMPLE, "status": "fine"}, tmp_path / "a.json")
    assert record.load(tmp_path / "a.json") == EXAMPLE
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    record.write(EXAMPLE, tmp_path / "a.json")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        record.write({**EXAMPLE, "reason": "another"}, tmp_path / "a.json")
    assert record.load(tmp_path / "a.json") == EXAMPLE
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_name_reads_and_carries_the_key():
    assert record.record_name(EXAMPLE) == f"digits-convnet-rigl-0.9-s1-{EXAMPLE['key']}.json"
    odd = {**EXAMPLE, "dataset": "../my data", "sparsity": 0.0}
    assert record.record_name(odd) == f".._my_data-convnet-rigl-0-s1-{EXAMPLE['key']}.json"


def test_files_that_are_no_records_are_named_and_kept(tmp_path):
    record.write(EXAMPLE, tmp_path / "good.json")
    (tmp_path / "broken.json").write_text('{"schema": 1, ')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "nan.json").write_text(json.dumps({**EXAMPLE, "sparsity": math.nan}))
    (tmp_path / "other.json").write_text(json.dumps({**EXAMPLE, "schema": 7}))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00{")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    files, problems = record.load_files(tmp_path)
    records = list(files.values())
    assert records == [EXAMPLE]
    assert [problem.file for problem in problems] == [
        "binary.json", "broken.json", "empty.json", "folder.json", "list.json", "nan.json", "other.json",
    ]  # fmt: skip
    reasons = {problem.file: problem.reason for problem in problems}
    assert "not valid JSON" in reasons["broken.json"]
    assert "NaN is not JSON" in reasons["nan.json"]
    assert "schema 7 is not 1" in reasons["other.json"]
    assert (tmp_path / "broken.json").exists()


def test_a_folder_that_does_not_exist_holds_no_records(tmp_path):
    assert record.load_files(tmp_path / "none") == ({}, [])
