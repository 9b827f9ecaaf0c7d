"""The record: its schema, its file, its name."""

import copy
import json
import math
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import board, config, make, of_schema_1

from harness.records import RecordError, empty, load, load_files, record, record_name, schema, store, write
from harness.records.validate import validate


def places(value, prefix=()):
    """Yield the path of every value inside a record."""
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*prefix, key))


EXAMPLE = make("rigl", 0.9, 1)
PLACES = [place for place in places(EXAMPLE) if place]


def get(value, place):
    for key in place:
        value = value[key]
    return value


def put(value, place, new):
    changed = copy.deepcopy(value)
    inner = get(changed, place[:-1])
    if new is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return changed


def test_every_kind_of_record_keeps_the_schema():
    for each in [*board(seeds=(0,)), make(status="diverged"), make(status="invalid"), make(runner="docker")]:
        assert validate(each) == []


def test_an_empty_record_has_every_key_but_the_rare_ones_and_keeps_the_schema():
    made = empty(config("set", 0.5, 7), key="0" * 16, runner="local", status="timeout", reason="too slow")
    assert list(made) == [name for name in schema.SCHEMA["properties"] if name not in schema.RARE]
    assert made["metrics"].keys() == EXAMPLE["metrics"].keys() | {"test_right"}
    assert not {"probe", "looks"} & (made["cost"].keys() | made["provenance"].keys())
    assert made["cost"]["seconds"].keys() == EXAMPLE["cost"]["seconds"].keys()
    assert validate(made) == []


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("metrics", "test_accuracy"), 1.2, "metrics.test_accuracy: 1.2 is greater than the maximum of 1"),
        (("metrics", "test_accuracy"), "0.9", 'metrics.test_accuracy: "0.9" is not of type'),
        (("metrics", "test_accuracy"), None, "metrics.test_accuracy: missing, but the run is done"),
        (("status",), "fine", "status: 'fine' is not one of done, invalid, diverged"),
        (("sparsity",), 1.0, "sparsity: 1.0 is greater than or equal to"),
        (("seed",), -1, "seed: -1 is less"),
        (("seed",), True, "seed: true is not of type"),
        (("key",), "xyz", 'key: "xyz" does not match'),
        (("cost", "train_flops"), 1.5, "cost.train_flops: 1.5 is not of type"),
        (("cost", "seconds"), ..., 'cost: "seconds" is a required property'),
        (("curve", 2, "lr"), ..., 'curve.2: "lr" is a required property'),
        (("extra",), 1, "Additional properties are not allowed ('extra' was unexpected)"),
        (("schema",), 7, "schema: 7 is not 1 or 2, which this version reads"),
        (("provenance", "started"), "yesterday", 'provenance.started: "yesterday" does not match'),
    ],
)
def test_a_broken_record_is_told_where_and_what(place, new, said):
    problems = validate(put(EXAMPLE, place, new))
    assert any(said in problem for problem in problems), problems


HUGE = [math.inf, -math.inf, math.nan, 10**400, -(10**400), "x" * 20_000, [1] * 101_000, {"a": {}}]
FIXED = [place for place in PLACES if place[0] != "config" and all(key in (0, str(key)) for key in place)]


@pytest.mark.parametrize("place", FIXED, ids=lambda place: ".".join(map(str, place)))
def test_no_place_takes_what_is_not_finite_too_large_or_of_another_shape(place):
    for new in HUGE:
        problems = validate(put(EXAMPLE, place, new))
        assert problems, str(new)[:20]
        assert all(len(problem) < 4_000 for problem in problems)


@pytest.mark.parametrize("place", [place for place in FIXED if type(get(EXAMPLE, place)) in (int, float)])
def test_a_boolean_is_not_a_number(place):
    assert validate(put(EXAMPLE, place, True))


@pytest.mark.parametrize(
    ("place", "new"),
    [
        (("config", "anything"), math.inf),
        (("config", "recipe", "lr"), 10**400),
        (("config", "recipe", "lr"), math.nan),
        (("config", "method", "name"), "x" * 100_000),
        (("config", "method", "x" * 201), 1),
        (("config", "layers", 0, "shape", 1), 1e300),
        (("config", "deep"), [[[[[[[[[[1]]]]]]]]]]),
        (("config", "recipe"), "sgd"),
        (("seed",), 2**63),
        (("topology",), [{"step": 0, "active": [1], "dense_gradient": False}] * 1_000_001),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_free_parts_are_bounded_too(place, new):
    assert validate(put(EXAMPLE, place, new))


def test_a_number_that_is_not_finite_is_called_so():
    assert validate(put(EXAMPLE, ("cost", "energy_joules"), math.inf)) == [
        "cost.energy_joules: inf is not a finite number"
    ]


def test_a_long_complaint_keeps_its_place_and_its_verdict():
    (problem,) = validate(put(EXAMPLE, ("method",), "x" * 100_000))
    assert problem.startswith('method: "xxx')
    assert problem.endswith("is longer than 200 characters")


@settings(max_examples=300, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    new=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner),
        max_leaves=6,
    ),
)
@example(place=("method",), new="\ud800")
@example(place=("config", "method"), new={"\udfff": 1})
@example(place=("config",), new={"": [2**63]})
def test_whatever_a_file_holds_it_is_a_record_or_a_clear_error(place, new):
    content = json.dumps(put(EXAMPLE, place, new)).encode()
    try:
        made = store.parse(content)
    except RecordError as error:
        said = str(error)
    else:
        said = "a record"
        store.parse(record.text(made).encode())  # can be written again
    assert 0 < len(said) < 10_000
    assert said.isprintable()


def test_nesting_without_end_is_an_error():
    for depth in (300, 3000, 300_000):
        nested = '{"a":' * depth + "1" + "}" * depth
        with pytest.raises(RecordError):
            store.parse(record.text(EXAMPLE).replace('"config": {', f'"config": {{"deep": {nested}, ').encode())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"seed": 1', '"seed": 1e999', "seed: inf is not a finite number"),
        ('"seed": 1', '"seed": ' + "9" * 400, "seed: 9"),
        ('"seed": 1', '"seed": ' + "9" * 5000, "not valid JSON: Exceeds the limit"),
        ('"seed": 1', '"seed": NaN', "NaN is not JSON"),
        ('"method": "rigl"', '"method": "\\ud83d"', "half of a surrogate pair"),
        ('"name": "rigl"', '"na\\uDC00me": "rigl"', "half of a surrogate pair"),
        ('"method": "rigl"', '"method": "\ud83d"', "not valid UTF-8 at byte"),
    ],
)
def test_text_that_no_schema_can_judge_is_refused(old, new, said):
    content = record.text(EXAMPLE)
    assert old in content
    with pytest.raises(RecordError, match=said):
        store.parse(content.replace(old, new).encode(errors="surrogatepass"))


def test_a_whole_surrogate_pair_is_text():
    content = record.text(EXAMPLE).replace('"cpu": "AMD', '"cpu": "\\ud83d\\ude00')
    assert store.parse(content.encode())["provenance"]["cpu"].startswith("\N{GRINNING FACE}")


@pytest.mark.parametrize("value", [None, 3, [], "text", {}])
def test_a_value_that_is_not_a_record_is_a_problem_not_a_crash(value):
    assert validate(value)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    write(EXAMPLE, tmp_path / "deep" / "a.json")
    assert load(tmp_path / "deep" / "a.json") == EXAMPLE


def test_the_file_is_readable_and_the_same_every_time(tmp_path):
    shuffled = dict(sorted(EXAMPLE.items(), reverse=True))
    write(EXAMPLE, tmp_path / "a.json")
    write(shuffled, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert lines[1] == '"schema": 2,'
    assert len(lines) == len(EXAMPLE) + 2


def test_numbers_that_are_not_finite_become_null(tmp_path):
    odd = copy.deepcopy(EXAMPLE)
    odd["metrics"]["test_loss"] = math.nan
    odd["curve"][0]["train_loss"] = -math.inf
    write(odd, tmp_path / "a.json")
    back = load(tmp_path / "a.json")
    assert back["metrics"]["test_loss"] is None
    assert back["curve"][0]["train_loss"] is None


def test_a_reason_without_end_keeps_its_ends(tmp_path):
    write(
        {**EXAMPLE, "status": "failed", "reason": "ValueError: " + "x" * 5_000_000 + " in line 7"}, tmp_path / "a.json"
    )
    reason = load(tmp_path / "a.json")["reason"]
    assert reason.startswith("ValueError: xx")
    assert reason.endswith("x in line 7")
    assert len(reason) <= schema.LONGEST_REASON


def test_a_bad_record_is_never_written_and_leaves_the_old_one(tmp_path):
    write(EXAMPLE, tmp_path / "a.json")
    with pytest.raises(RecordError, match=r"status: 'fine' is not one of done, invalid, diverged"):
        write({**EXAMPLE, "status": "fine"}, tmp_path / "a.json")
    assert load(tmp_path / "a.json") == EXAMPLE
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    write(EXAMPLE, tmp_path / "a.json")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.json'$"):
        write({**EXAMPLE, "reason": "another"}, tmp_path / "a.json")
    assert load(tmp_path / "a.json") == EXAMPLE
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_name_reads_and_carries_the_key():
    assert record_name(EXAMPLE) == f"digits-convnet-rigl-0.9-s1-{EXAMPLE['key']}.json"
    odd = {**EXAMPLE, "dataset": "../my data", "sparsity": 0.0}
    assert record_name(odd) == f".._my_data-convnet-rigl-0-s1-{EXAMPLE['key']}.json"


def test_files_that_are_not_records_are_named_and_kept(tmp_path):
    write(EXAMPLE, tmp_path / "good.json")
    (tmp_path / "broken.json").write_text('{"schema": 1, ')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "nan.json").write_text(json.dumps({**EXAMPLE, "sparsity": math.nan}))
    (tmp_path / "other.json").write_text(json.dumps({**EXAMPLE, "schema": 7}))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00{")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    files, problems = load_files(tmp_path)
    records = list(files.values())
    assert records == [EXAMPLE]
    assert [problem.file for problem in problems] == [
        "binary.json", "broken.json", "empty.json", "folder.json", "list.json", "nan.json", "other.json",
    ]  # fmt: skip
    reasons = {problem.file: problem.reason for problem in problems}
    assert "not valid JSON" in reasons["broken.json"]
    assert "NaN is not JSON" in reasons["nan.json"]
    assert "schema: 7 is not 1 or 2" in reasons["other.json"]
    assert (tmp_path / "broken.json").exists()


def test_the_schemas_that_there_are():
    old = of_schema_1(EXAMPLE)
    assert "code" not in old
    assert validate(old) == []
    assert validate({**old, "schema": 2}) == ['"code" is a required property', '"image" is a required property']


def test_a_record_of_schema_1_is_read_with_the_keys_that_it_lacks(tmp_path):
    old = of_schema_1(EXAMPLE)
    (tmp_path / "old.json").write_text(record.text(old))
    unknown = {"code": {"results": "1", "method": None, "model": None, "shared": None}, "image": None}
    assert load(tmp_path / "old.json") == old | unknown
    assert record.text(old) == (tmp_path / "old.json").read_text()
    assert record.upgrade(EXAMPLE) is EXAMPLE


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "too large"])
def test_what_is_not_a_regular_file_of_bounded_size_is_named_without_a_hang(tmp_path, kind):
    path = tmp_path / "x.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(store.LARGEST + 1)
    write(EXAMPLE, tmp_path / "good.json")
    files, problems = load_files(tmp_path)
    assert list(files) == ["good.json"]
    said = "larger than 64 MiB" if kind == "too large" else "not a regular file"
    assert problems == [("x.json", said)]


def test_a_folder_that_does_not_exist_holds_no_records(tmp_path):
    assert load_files(tmp_path / "none") == ({}, [])


TUNED = {"chosen": "tuned", "space": {"recipe.lr": [0.01, 0.3]}, "trials": 5, "flops": 10**15, "split": "validation"}
MORE = {
    ("cost", "probe"): ({"samples": 64, "flops": 10**20}, {"samples": 64}),
    ("topology", 0, "gradient"): ([1, 2, 3], [1.5]),
    ("metrics", "test_right"): ("eJwDAAAAAAE=", "x" * 200_001),
    ("tuning",): (TUNED, TUNED | {"chosen": "guessed"}),
    ("provenance", "unlimited"): (["memory", "pids"], "memory"),
    ("provenance", "looks"): (
        {"margin": 0.5, "looks": [3, 5, 8], "spending": [0.01, 0.02, 0.02]},
        {"margin": 0.5, "looks": [3, -5], "spending": None},
    ),
}


@pytest.mark.parametrize("place", MORE, ids=lambda place: place[-1])
def test_what_only_some_records_have_is_bounded_too(place):
    good, bad = MORE[place]
    assert validate(put(EXAMPLE, place, good)) == []
    for new in (bad, *HUGE[:5], [1] * 101_000, {"a": {}}, "x" * 200_001):
        assert validate(put(EXAMPLE, place, new)), str(new)[:20]


def test_a_trial_of_tuning_is_done_without_a_test_accuracy(tmp_path):
    trial = put(EXAMPLE, ("metrics", "test_accuracy"), None)
    assert validate(trial) == ["metrics.test_accuracy: missing, but the run is done"]
    trial["config"]["test"] = False
    assert validate(trial) == []
    write(trial, tmp_path / "trial.json")
    assert load_files(tmp_path) == ({}, [("trial.json", "a trial of tuning, scored on the validation split alone")])
    assert load_files(tmp_path, trials=True) == ({"trial.json": trial}, [])
