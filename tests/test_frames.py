"""Records as tidy frames: each number stands where its record has it."""

import json
from pathlib import Path

import pytest

import sparsebench as sb
from harness.errors import UsageError
from harness.records.frames import FRAMES

RECORDS = Path(__file__).parent.parent / "results" / "records"
RUN = ["key", "method", "dataset", "model", "sparsity", "seed"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few committed records, one of them with what only some runs have."""
    folder = tmp_path_factory.mktemp("records")
    for path in sorted(RECORDS.glob("fashion_mnist-convnet-*-0.9-s[01]-*.json"))[:6]:
        (folder / path.name).write_bytes(path.read_bytes())
    changed = json.loads(path.read_text())
    changed["metrics"]["active_neurons"] = {name: number for number, name in enumerate(_names(changed))}
    changed["topology"][1]["gradient"] = [layer["weights"] for layer in changed["config"]["layers"]]
    (folder / path.name).write_text(json.dumps(changed))
    return folder


def _names(record):
    return [layer["name"] for layer in record["config"]["layers"]]


@pytest.fixture(scope="module")
def records(folder):
    return {found["key"]: found for found in (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))}


def test_curves_have_a_row_for_each_validation(folder, records):
    frame = sb.load(folder, "curves")
    assert len(frame) == sum(len(record["curve"]) for record in records.values())
    for key, rows in frame.groupby("key"):
        assert rows[list(records[key]["curve"][0])].to_dict("records") == records[key]["curve"]
        budget = records[key]["budget"]
        assert rows[["budget.kind", "budget.amount"]].drop_duplicates().values.tolist() == [
            [budget["kind"], budget["amount"]]
        ]
        assert rows[RUN].drop_duplicates().to_dict("records") == [{name: records[key][name] for name in RUN}]


def test_layers_have_their_final_counts(folder, records):
    frame = sb.load(folder, "layers")
    assert set(frame["key"]) == set(records)
    for key, rows in frame.groupby("key"):
        record = records[key]
        assert dict(zip(rows["layer"], rows["density"], strict=True)) == record["metrics"]["layer_density"]
        assert list(rows["active"]) == record["topology"][-1]["active"]
        assert rows["weights"].sum() == record["metrics"]["maskable"]
        assert rows["active"].sum() == record["metrics"]["active"]
    assert sorted(frame["active_neurons"].dropna()) == [0, 1, 2, 3]


def test_events_say_what_the_masks_were_and_whose_gradients_were_computed(folder, records):
    frame = sb.load(folder, "events")
    for (key, number), rows in frame.groupby(["key", "event"]):
        event = records[key]["topology"][number]
        assert list(rows["layer"]) == _names(records[key])
        assert list(rows["active"]) == event["active"]
        assert list(rows["gradient"]) == event.get("gradient", event["active"])
        assert set(rows["step"]) == {event["step"]}
        assert set(rows["dense_gradient"]) == {event["dense_gradient"]}
        assert (rows["density"] == rows["active"] / rows["weights"]).all()
    assert (frame["gradient"] != frame["active"]).any()
    assert len(frame.groupby(["key", "event"])) == sum(len(record["topology"]) for record in records.values())


def test_a_key_joins_a_long_frame_with_the_runs(folder):
    runs, layers = sb.load(folder), sb.load(folder, "layers")
    joined = layers.merge(runs[["key", "test_accuracy"]], on="key", validate="many_to_one")
    assert len(joined) == len(layers)
    assert joined["test_accuracy"].notna().all()
    assert not [name for name in runs if "neurons" in name]


def test_columns_and_types_do_not_depend_on_what_there_is(folder, tmp_path):
    for what in FRAMES[1:]:
        empty, full = sb.load(tmp_path, what), sb.load(folder, what)
        assert empty.empty
        assert list(empty.dtypes.items()) == list(full.dtypes.items()), what


def test_a_record_that_does_not_describe_its_layers_has_no_names_for_them(folder, tmp_path):
    record = json.loads(next(folder.glob("*.json")).read_text())
    record["config"]["layers"] = "none"
    (tmp_path / "odd.json").write_text(json.dumps(record))
    assert sb.load(tmp_path, "layers")["weights"].isna().all()
    events = sb.load(tmp_path, "events")
    assert events[["layer", "weights", "density"]].isna().all(axis=None)
    assert list(events["active"][:4]) == record["topology"][0]["active"]


def test_another_frame_is_refused_with_those_there_are(folder):
    with pytest.raises(
        UsageError, match="unknown frame 'layer': allowed are curves, events, layers, runs; did you mean"
    ):
        sb.load(folder, "layer")
    with pytest.raises(UsageError, match="is not a folder"):
        sb.load(folder / "nothing", "curves")


def test_counts_beyond_64_bits_are_numbers_that_have_a_mean(folder, tmp_path):
    one, other = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))[:2])
    one["cost"]["train_flops"] = 3 * 10**20  # ResNet-50 on ImageNet, five times as long, some seeds at once
    (name,) = _names(other)[:1]
    other["config"]["layers"][0]["weights"] = 2**63 - 1
    other["metrics"]["layer_density"][name] = 1.0
    for number, record in enumerate((one, other)):
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
    flops = sb.load(tmp_path)["train_flops"]
    assert flops.mean() == pytest.approx((3e20 + other["cost"]["train_flops"]) / 2)
    layers = sb.load(tmp_path, "layers").set_index(["key", "layer"])
    assert layers.loc[(other["key"], name), "active"] == 2**63 - 1
