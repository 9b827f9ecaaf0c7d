"""The checker: what it passes, and every kind of forged or broken record that it refuses, with the reason."""

import contextlib
import copy
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import GPU, METHODS, make, of_schema_1, resealed, ten_thousand

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


def _set(*path_and_value):
    *path, last, value = path_and_value

    def forge(record):
        inner = record
        for name in path:
            inner = inner[name]
        inner[last] = value(inner[last]) if callable(value) else value

    return forge


def _less_training(record):
    record["topology"][1]["active"] = [count // 2 for count in record["topology"][1]["active"]]


def _one_layer_denser(record):
    ending = record["topology"][-1]["active"]
    ending[0], ending[1] = ending[0] + 30, ending[1] - 30


def _event_at_the_end(record):
    record["topology"].append({**record["topology"][-1], "step": record["cost"]["steps"]})


def _flatter(record):
    record["curve"][3]["density"] = 0.5


def _no_dense_gradients(record):
    for entry in record["topology"]:
        entry["dense_gradient"] = False


def _cheaper_layers(record):
    record["config"]["layers"][1]["uses"] = 8


def _another_size(record):
    record["config"]["layers"][0]["shape"] = [16, 3, 3, 3]


def _higher_in_all(record):
    for name in ("test_accuracy", "test_top5"):
        record["metrics"][name] = 1.0
    record["metrics"]["val_accuracy"] = record["curve"][-1]["val_accuracy"] = 0.6


FORGERIES = {
    "a status that does not exist": (_set("status", "great"), "status: 'great' is not one of done, invalid"),
    "a key left out": (lambda record: record["cost"].pop("energy_joules"), "cost: \"energy_joules\" is"),
    "a key of another run": (_set("key", "0123456789abcdef"), "key: 0123456789abcdef but config and provenance give"),
    "a learning rate changed after the run": (_set("config", "recipe", "lr", 0.2), "key: "),
    "rules that do not compare": (_set("config", "rules", "2.0"), "rules: made under 2.0, which does not compare"),
    "a seed changed after the run": (_set("seed", 9), "seed: 9 but the config has 0"),
    "another method's name": (_set("method", "rigl"), "method: 'rigl' but the config has 'granet'"),
    "another budget in its head": (_set("budget", "amount", 5), "budget: {'kind': 'epochs', 'amount': 5"),
    "an accuracy that no count of answers gives": (
        _set("metrics", "test_accuracy", 0.97531), "test_accuracy: 0.97531 is not a multiple of 1/1000"),
    "an accuracy above its own curve": (_higher_in_all, "test_accuracy: 1.0000 is implausible after a curve"),
    "a loss too small for its errors": (_set("metrics", "test_loss", 0.0001), "test_loss: 0.0001, but an accuracy of"),
    "top-5 below top-1": (_set("metrics", "test_top5", 0.5), "test_top5: less than test_accuracy"),
    "fewer FLOPs than its topology costs": (
        _set("cost", "train_flops", lambda flops: flops - 1), "train_flops: "),
    "a smaller multiple of dense": (_set("cost", "train_flops_ratio", 0.1), "train_flops_ratio: 0.1 but"),
    "a cheaper inference": (_set("cost", "inference_flops", 1), "inference_flops: 1 but"),
    "a dearer dense model": (_set("cost", "dense_forward_flops", 10**9), "dense_forward_flops: 1000000000 but"),
    "a topology edited to be cheaper": (_less_training, "train_flops: "),
    "dense gradients not charged": (_no_dense_gradients, "train_flops: "),
    "layers that cost less": (_cheaper_layers, "train_flops: "),
    "layers of another size": (_another_size, "layers: the weights of a layer must be the product of its shape"),
    "a sparsity it did not reach": (_set("sparsity", 0.95), "the target is 302"),
    "a sparsity that is not its weights'": (_set("metrics", "sparsity", 0.95), "sparsity: 0.95 but 1 - active"),
    "more non-zero than active weights": (_set("metrics", "nonzero", 4000), "nonzero: 4000, more than"),
    "other active weights than its masks": (_set("metrics", "active", 600), "active: 600 but the topology ends"),
    "fewer maskable weights": (_set("metrics", "maskable", 600), "maskable: 600 but the layers have 6032"),
    "layer densities not of its masks": (_one_layer_denser, "layer_density: "),
    "an exploration rate below what was active": (
        _set("metrics", "exploration_rate", 0.01), "exploration_rate: 0.01, less than "),
    "an event that nothing trains": (_event_at_the_end, "leaves no step to train what it grew"),
    "densities along the curve that were not": (_flatter, "curve: density 0.5 at step"),
    "a curve cut short": (lambda record: record["curve"].pop(), "curve: it ends at progress"),
    "a last validation that is not the curve's": (
        _set("metrics", "val_accuracy", 1.0), "val_accuracy: 1.0, but the curve ends with"),
    "more steps than the budget": (_set("cost", "steps", 200), "budget: 200 steps where the budget is 160"),
    "other images than its steps take": (_set("cost", "samples", 9000), "samples: 9000 but topology and config give"),
    "an unknown commit": (_set("provenance", "git_commit", None), "git_commit: None is not a commit"),
    "a changed working tree": (_set("provenance", "git_dirty", True), "git_dirty: the source was"),
    "an image of unknown content": (_set("image", "content", None), "image: {'content': None"),
    "no image": (_set("image", None), "image: None does not give content and base"),
    "code of another version": (_set("code", "results", "0"), "key: "),
    "an image it has not": (_set("provenance", "image_id", "latest"), "image_id: 'latest' is not an image"),
    "data of no fingerprint": (_set("provenance", "data_sha256", None), "data_sha256: None is not a fingerprint"),
    "hardware that is not named": (_set("provenance", "cpu", None), "cpu: missing; a result names what"),
    "CUDA without a GPU": (_set("config", "device", "cuda"), "gpu: missing; a result names what"),
    "an end before its start": (_set("provenance", "finished", "2026-11-01T00:00:00Z"), "finished: before it started"),
    "an end that is yet to come": (_set("provenance", "finished", "2199-01-01T00:00:00Z"), "finished: lies in"),
    "more time than there was": (_set("cost", "seconds", "total", 9999.0), "longer than from started to finished"),
    "parts longer than the whole": (_set("cost", "seconds", "train", 40.0), "less than its parts take"),
    "a speed that no machine has": (_set("cost", "seconds", "train", 1e-7), "faster than any hardware"),
}  # fmt: skip


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
        assert found == ["seeds: only 0; a submission has at least 3, including those that failed"]


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
            inner[place[-1]] = new
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(changed))
    found = check_one(path)
    assert found
    assert all(line.isprintable() and 0 < len(line) < 10_000 for line in found)


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


def test_ten_thousand_records_are_checked_within_a_minute():
    paths = sorted(ten_thousand().iterdir())
    before = time.process_time()
    found = check(paths)
    assert time.process_time() - before < 60
    assert len(found) == 10_000


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
