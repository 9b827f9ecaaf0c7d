"""What the checker makes of a method's own declarations, on committed records that a forger has changed."""

import copy
import json

import numpy as np
import pytest
from records import make, resealed

from harness.audit import counts, curves, recount, reliability, schedule, scores, topology
from harness.audit.submission import check
from harness.places import ROOT
from harness.records import bits, record_name, store
from harness.records.record import text
from methods import build

RECORDS = ROOT / "results" / "records"
MOVING = ("acdc", "gmp", "gmp_uniform", "granet", "lth_rewind", "mest", "one_shot", "rigl", "set", "snfs", "top_kast")


def committed(method, sparsity="0.9"):
    (path,) = RECORDS.glob(f"fashion_mnist-mlp-{method}-{sparsity}-s0-*.json")
    return store.load(path)


def refitted(record):
    """Recount a record as a forger would, so that only what its method declares speaks against it."""
    truth = recount.recount(record)
    record["cost"] |= {
        "samples": truth.samples,
        "train_flops": truth.train_flops,
        "train_flops_ratio": truth.train_flops / truth.reference_flops,
    }
    moves = len(record["topology"]) > 1
    record["metrics"]["exploration_rate"] = 1.0 if moves else sum(record["topology"][0]["active"]) / truth.maskable
    places = [entry["step"] for entry in record["topology"]]
    ends = {each["step"] for each in record["rounds"]}
    for point in record["curve"]:
        until = point["step"] - (point["step"] in ends)
        active = record["topology"][max(sum(place <= until for place in places) - 1, 0)]["active"]
        point["density"] = sum(active) / truth.maskable
    densities = {point["step"]: point["density"] for point in record["curve"]}
    for each in record["rounds"]:
        each["density"] = densities[each["step"]]
    return record


@pytest.mark.parametrize("method", MOVING)
def test_a_method_that_moves_its_masks_cannot_pose_as_one_that_was_sparse_from_the_start(method):
    record = committed(method)
    assert counts.refusals(record) + curves.refusals(record) == []
    record["topology"] = [{**record["topology"][0], "active": record["topology"][-1]["active"]}]
    found = counts.refusals(refitted(record))
    assert found
    assert all(line.startswith("topology: ") and method in line for line in found)


@pytest.mark.parametrize("method", ["gmp", "granet", "lth_rewind", "acdc"])
def test_nor_with_its_events_where_they_were(method):
    record = committed(method)
    for entry in record["topology"]:
        entry["active"] = record["topology"][-1]["active"]
    found = counts.refusals(refitted(record))
    assert found
    assert all(f"at step 0, {method} has" in line for line in found)


@pytest.mark.parametrize("method", ["rigl", "rigl_itop", "granet"])
def test_dense_gradients_have_to_be_charged(method):
    record = committed(method)
    for entry in record["topology"]:
        entry["dense_gradient"] = False
    (found,) = counts.refusals(refitted(record))
    step = record["topology"][1]["step"]
    assert found == f"topology: dense_gradient False at step {step}, {method} has True"


@pytest.mark.parametrize("method", ["snfs", "top_kast"])
def test_gradients_of_weights_that_are_not_active_have_to_be_charged(method):
    record = committed(method)
    for entry in record["topology"]:
        del entry["gradient"]
    (found,) = counts.refusals(refitted(record))
    assert found.startswith(f"topology: gradient missing at step 0, {method} has [")


def test_an_event_of_a_method_that_has_none_is_refused():
    record = committed("static")
    record["topology"].append({**record["topology"][0], "step": 100})
    assert counts.refusals(refitted(record)) == ["topology: an event at step 100, but static has none"]


def test_the_distribution_is_that_of_the_settings():
    record = committed("static")
    ours = record["topology"][0]["active"]
    ours[0], ours[1] = ours[0] - 100, ours[1] + 100
    assert f"topology: {ours} active weights at step 0, static has " in counts.refusals(record)[0]


def test_one_weight_for_a_network_of_global_magnitudes_is_rounding_and_more_is_not():
    record = committed("gmp")
    event = record["topology"][len(record["topology"]) // 2]
    for gone, refused in ((1, False), (5, True)):
        event["active"][0] -= gone
        found = topology.refusals(record)
        assert bool(found) == refused, found


def test_masks_that_never_change_explore_nothing():
    record = committed("static")
    record["metrics"]["exploration_rate"] = 0.9
    assert counts.refusals(record) == ["exploration_rate: 0.9, but the masks never change, and 0.1 are active"]


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda rounds: rounds.clear(), "rounds: 0, but lth_rewind has 3"),
        (lambda rounds: rounds[1].update(round=2), "rounds: round of 1 is 2, but should be 1"),
        (lambda rounds: rounds[1].update(density=0.3), "rounds: density of 1 is 0.3, but should be 0.316"),
        (lambda rounds: rounds[1].update(val_accuracy=0.5), "rounds: val_accuracy of 1 is 0.5, but should be 0.8"),
        (lambda rounds: rounds[1].update(step=7), "rounds: 1 ends at step 7, where the curve has no point"),
    ],
)
def test_rounds_are_points_of_the_curve(forge, reason):
    record = committed("lth_rewind")
    forge(record["rounds"])
    (found,) = curves.refusals(record)
    assert found.startswith(reason)


def test_under_a_budget_of_flops_the_steps_of_events_are_not_known():
    record = committed("rigl")
    record["config"]["budget"] = {"kind": "flops", "amount": 1.0, "stretch": 1.0, "rounds": "shared"}
    record["topology"][1]["step"] += 1
    assert topology.refusals(record) == curves.refusals(record) == []
    del record["topology"][1:]
    record["topology"][0]["active"] = [1, 1, 1]
    assert topology.refusals(record)[0].startswith("topology: [1, 1, 1] active weights at step 0, rigl has [")


def test_a_method_from_a_plug_in_is_taken_at_its_word():
    record = committed("rigl")
    record["config"]["method"]["name"] = "somebodys"
    del record["topology"][1:]
    assert topology.refusals(record) == curves.refusals(record) == []


@pytest.mark.parametrize("name", ["gmp", "granet", "lth_rewind", "lr_rewind", "mest", "acdc", "one_shot", "cyclic"])
@pytest.mark.parametrize("steps", [97, 160])
def test_events_are_those_of_the_course_step_by_step(name, steps):
    method, target = build({"name": name, "interval": 7} if name in ("gmp", "granet", "mest") else {"name": name}), 0.1
    length = schedule.Schedule(method.rewinding(target))
    walk = schedule.Way(steps, steps / length.length, length, each=False)
    found = [event.step for event in walk.events(method, target)]
    round_, before, expected = 0, 0.0, []
    for step in range(1, steps):
        number, position = length.locate(step / walk.once)
        moment = schedule.Moment(step, 1.0 if number > round_ else position, before, steps, number)
        due = method.interval and step % method.interval == 0
        due = due or number > round_ or any(before < mark <= moment.position for mark in method.marks())
        if due and method.event(moment) is not None:
            expected.append(step)
        round_, before = number, position
    assert found == expected


def test_layers_are_those_of_the_other_records_of_the_same_net(tmp_path):
    records = [resealed(make("static", 0.9, seed)) for seed in (0, 1, 2)] + [
        resealed(make("rigl", 0.9, seed)) for seed in (0, 1, 2)
    ]
    forged = copy.deepcopy(records)
    for each in forged[:3]:
        each["config"]["layers"][1]["uses"] = 2
    for number, (name, layers) in enumerate([("forged", forged), ("fixed", records)]):
        folder = tmp_path / name
        folder.mkdir()
        for each in map(resealed, layers):
            (folder / record_name(each)).write_text(text(each))
        found = check(sorted(folder.iterdir()))
        told = [line for lines in found.values() for line in lines if line.startswith("config.layers[1]: ")]
        assert len(told) == (6, 0)[number]  # three against three: neither is believed
        assert all("other records of the same net have {" in line for line in told)


def test_fixed_flops_are_those_of_the_other_records_of_the_same_net(tmp_path):
    records = [make("static", 0.9, seed) for seed in (0, 1, 2)]
    records[0]["config"]["fixed_flops"] = 5
    for each in map(resealed, records):
        (tmp_path / record_name(each)).write_text(text(each))
    found = check(sorted(tmp_path.iterdir()))
    told = [line for lines in found.values() for line in lines if line.startswith("config.fixed_flops")]
    assert told == ["config.fixed_flops: 5; other records of the same net have 0"]


def test_what_the_rules_have_measured_is_there():
    record = committed("rigl")
    assert reliability.refusals(record) == scores.refusals(record) == []
    del record["reliability"], record["metrics"]["test_right"]
    assert reliability.refusals(record) == ["reliability: missing, which is measured of every classification"]
    assert scores.refusals(record) == ["test_right: missing, which samples were classified correctly"]
    record["config"]["rules"] = "1.0"
    assert reliability.refusals(record) == scores.refusals(record) == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("bins", 16, "reliability.bins: 16, measured are 15"),
        ("brier", 1.9, "reliability.brier: 1.9, but an accuracy of"),
        ("ece", 0.9, "reliability.ece: 0.9, over the root of the Brier score"),
    ],
)
def test_calibration_fits_the_accuracy(name, value, reason):
    record = committed("rigl")
    record["reliability"][name] = value
    assert any(line.startswith(reason) for line in reliability.refusals(record))


def test_nothing_may_follow_the_bits_of_the_samples():
    right = np.arange(100) % 3 == 0
    packed = bits.pack(right)
    assert bits.unpack(packed, 100)
    for changed in (packed[:-4], json.loads(json.dumps(packed)).rstrip("=") + "AAAA", packed[:-3] + "A=="):
        with pytest.raises(ValueError, match="test_right: "):
            bits.unpack(changed, 100)
