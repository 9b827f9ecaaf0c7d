"""What makes two runs the same: everything that changes a result and nothing else."""

import ast
import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import small

from harness import config
from harness.places import ROOT
from harness.plan import grid, sources
from harness.plan.existing import Existing
from harness.plan.planned import plan
from harness.records import cell_name, identity, load, lock
from harness.records.identity import HISTORY, Identity, image_environment, local_environment

# Those that git tracks: a newcomer's own runs lie among them.
_TRACKED = subprocess.run(["git", "ls-files", "results/records"], cwd=ROOT, capture_output=True, text=True, check=True)
COMMITTED = [ROOT / name for name in _TRACKED.stdout.split()]
FIRST = [path for path in COMMITTED if "-convnet-" in path.name]  # of schema 1
CODE = {"results": "1", "method": None, "model": None, "shared": None}


def of(run, **more):
    parts = {"code": CODE, "data": "d" * 64, "environment": local_environment("2.11.0")} | more
    return Identity(identity.settings(config.to_dict(run)), **parts)


@pytest.mark.parametrize(
    "change",
    [
        {"output": "elsewhere"},
        {"workers": 1},
        {"packed": 3},
        {"checkpoint_seconds": 5},
        {"graph": True},
        {"plugins": {"method": "/here/mine.py:Mine"}},
        {"runner": config.RunnerConfig("local", timeout=5)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_where_and_how_a_run_is_trained_does_not_change_its_key(change):
    run = small("rigl")
    assert of(run).key == of(dataclasses.replace(run, **change)).key


def test_where_the_data_lie_does_not_change_the_key():
    assert of(small("rigl")).key == of(small("rigl", dataset={"root": "/elsewhere", "download": True})).key


@pytest.mark.parametrize(
    "other",
    [
        of(small("rigl", seed=1)),
        of(small("rigl", sparsity=0.8)),
        of(small("rigl", fraction=0.4)),
        of(small("rigl", budget="steps:41")),
        of(small("rigl", recipe={"lr": 0.2})),
        of(small("rigl", dataset={"val_examples": 23})),
        of(small("rigl"), code=CODE | {"results": "2"}),
        of(small("rigl"), code=CODE | {"method": "a" * 64}),
        of(small("rigl"), code=CODE | {"shared": "a" * 64}),
        of(small("rigl"), data="e" * 64),
        of(small("rigl"), environment=local_environment("2.12.0")),
        of(small("rigl"), environment=image_environment("c" * 64, "sha256:" + "b" * 64)),
    ],
)
def test_what_changes_a_result_changes_the_key_and_is_named(other):
    mine = of(small("rigl"))
    assert mine.key != other.key
    assert len(mine.differences(other)) == 1


def test_an_image_counts_by_content_and_not_by_the_machine_that_made_its_base():
    first, second = (image_environment("c" * 64, f"local:sha256:{digit * 64}") for digit in "ab")
    assert first == second != image_environment("c" * 64, f"sha256:{'a' * 64}")
    assert local_environment("2.11.0+cu130") == local_environment("2.11.0")


@given(st.integers(0, 2**63 - 1))
def test_the_order_of_settings_does_not_matter(seed):
    run = small("static", seed=seed)
    what = identity.settings(config.to_dict(run))
    turned = json.loads(json.dumps(dict(reversed(what.items()))))
    mine, theirs = (Identity(part, CODE, None, local_environment("2")) for part in (what, turned))
    assert mine.key == theirs.key


def test_committed_records_keep_their_keys():
    assert FIRST
    assert {load(path)["schema"] for path in FIRST} == {1}
    for path in COMMITTED:
        record = load(path)
        assert identity.recorded_key(record) == record["key"]


def test_records_of_schema_1_count_as_results_version_1_of_known_code_and_a_known_image():
    record = load(FIRST[0])
    known = identity.of_record(record)
    assert known.code == CODE
    assert known.environment["image"] == "6e6c8d11611257d486cbe20bb3c903cd5172315ec85b901ec002e0cf415d4ca3"
    record["provenance"] |= {"method_sha256": "a" * 64, "image_id": "sha256:" + "b" * 64}
    unknown = identity.of_record(record)
    assert unknown.code["method"] == "a" * 64
    assert known.differences(unknown)[0] == "method code changed since"


def test_a_committed_run_is_found_by_a_plan_as_long_as_its_results_have_not_changed():
    existing = Existing(ROOT / "results" / "records")
    image = identity.of_record(load(FIRST[0])).environment
    fingerprint = load(FIRST[0])["provenance"]["data_sha256"]
    runs = list(
        {identity.canonical(identity.settings(config.to_dict(run))): run for run in _committed_suite()}.values()
    )
    assert len(runs) == 102
    for run in runs:
        cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
        same = existing.find(cell, [of(run, data=fingerprint, environment=image)])
        assert (same.status, same.differences) == ("done", ())
        now = existing.find(cell, [of(run, code=CODE | {"results": "2"}, data=fingerprint, environment=image)])
        assert now.differences == (f"results version 1, now 2 ({HISTORY[0].what})",)


def _committed_suite():
    made = sorted({path.name.split("-")[2] for path in FIRST})  # methods that were there when they were made
    for run in grid.runs("fashion_mnist_cpu", [f"method=[{','.join(made)}]"]):
        yield dataclasses.replace(run, device="cpu", graph=False)


@pytest.mark.parametrize("part", ["method", "model", "shared"])
@pytest.mark.parametrize("which", [0, -1])
def test_a_run_whose_code_was_locked_after_it_was_made_is_not_trained_again(tmp_path, part, which, monkeypatch):
    path = next(path for path in COMMITTED if "-mlp-" in path.name)
    record = load(path)
    name = "" if part == "shared" else record["config"][part]["name"]
    passed = [*lock.passed(part, name), "e" * 64]
    monkeypatch.setattr(lock, "passed", lambda of, named="": passed if (of, named) == (part, name) else [])
    plain = {**record, "code": {**record["code"], "method": None, "model": None, "shared": None}}
    wanted = identity.of_record(plain)
    changed = dataclasses.replace(wanted, code={**wanted.code, part: "b" * 64})
    for digest, settles in ((passed[which], True), ("b" * 64, False)):
        made = {**plain, "code": {**plain["code"], part: digest}}
        assert identity.of_record(made).key != wanted.key  # a record's key says what it was made with
        (tmp_path / path.name).write_text(json.dumps(made))
        found = Existing(tmp_path).find(path.name.rpartition("-")[0], [wanted])
        assert found.settles == settles
        assert any(part in each for each in found.differences) != settles
    assert Existing(tmp_path).find(path.name.rpartition("-")[0], [changed]).settles  # made with code that never was


def test_a_version_changes_the_runs_that_it_says_and_no_others():
    def version(run):
        return identity.results_version(identity.settings(config.to_dict(run)))

    plain = {"warmup_epochs": 0}
    assert version(small("rigl", recipe=plain)) == "1"
    assert version(small("rigl")) == "2"
    assert version(small("gmp_uniform", recipe=plain)) == "2"
    assert version(small("lr_rewind", recipe=plain | {"lr_shape": "step"})) == "2"
    assert version(small("lr_rewind", recipe=plain)) == "1"
    decoupled = plain | {"optimizer": "adamw", "weight_decay": 0.1}
    assert version(small("top_kast", recipe=decoupled)) == "4"
    assert version(small("top_kast", recipe=plain)) == version(small("static", recipe=decoupled)) == "1"
    assert version(small("top_kast", sparsity=0, recipe=decoupled)) == "1"
    assert version(small("top_kast", recipe=decoupled | {"weight_decay": 0})) == "1"


def test_the_lock_holds_the_present_sources():
    """Where this fails and the golden runs pass, `make golden` renews the lock; else the results version is raised."""
    assert lock.LOCK.read_text() == sources.lock_text(), "sources changed: run the golden runs, then make golden"


def test_a_docstring_or_a_move_changes_no_digest_and_code_does(tmp_path, monkeypatch):
    before = sources.shared()
    for part in ("harness", "methods"):
        shutil.copytree(ROOT / part, tmp_path / part)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    for path in tmp_path.rglob("*.py"):
        path.write_text(_with_another_docstring(path.read_text()))
    moved = tmp_path / "harness" / "training"
    (moved / "optimizers.py").rename(moved / "optimisers_of_a_recipe.py")
    assert sources.shared.__wrapped__() == before
    masks = tmp_path / "methods" / "parts" / "masks.py"
    text = masks.read_text()
    assert "count >= sum(self.active)" in text
    masks.write_text(text.replace("count >= sum(self.active)", "count > sum(self.active)"))
    assert sources.shared.__wrapped__() != before


def _with_another_docstring(source):
    tree = ast.parse(source)
    if tree.body and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        lines = source.splitlines(keepends=True)
        return '"""Other words."""  # and a comment\n' + "".join(lines[tree.body[0].end_lineno :])
    return source


def test_shared_code_imports_nothing_that_decides_on_results_from_elsewhere():
    """What shared code imports from the rest of the harness is named here: none of it computes a result."""
    files = [path for part in sources._SHARED for path in sources._files(ROOT / part)]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("harness."):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {str(node.module)} if not names & modules else set()
    rooms = {name for name in found if not any(name == module or module.startswith(f"{name}.") for module in modules)}
    computes_nothing = {"config", "console", "errors", "machine", "places", "plugins", "records", "vocabulary"}
    assert {name.split(".")[1] for name in rooms} <= computes_nothing


def test_an_edited_method_is_another_run():
    run = small("rigl")
    known = sources.of_run(run)
    assert known.code(run, "2") == {"results": "2", "method": None, "model": None, "shared": None}
    edited = dataclasses.replace(known, method="a" * 64)
    assert edited.code(run, "2")["method"] == "a" * 64


def test_a_record_that_a_container_made_counts_where_none_can_run(tmp_path, monkeypatch):
    """`runner=auto` on a machine without an engine: a verified record is worth more than a local run."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    run = dataclasses.replace(small("static"), output=str(tmp_path))
    run.runner.name = "auto"
    (planned,) = plan([run])
    assert planned.choice.name == "local"
    assert planned.why_not == "no record"
    made = _record_of(planned, tmp_path)
    (again,) = plan([run])
    assert (again.done, again.found.path, again.why_not) == (True, made, None)
    run.runner.name = "local"
    (alone,) = plan([run])
    assert (alone.done, alone.why_not) == (False, "runner docker, here local")


def _record_of(planned, folder):
    """Write the record that a container would leave of a run, with honest identity and made-up figures."""
    from records import make

    from harness.containers.content import SUITE, ImageFiles
    from harness.records import record_name, write

    record = make("static", 0.9, 0)
    files = ImageFiles(SUITE)
    image = {"content": files.content(), "base": files.base_digest()}
    record |= {"schema": 2, "config": config.to_dict(planned.run), "code": planned.identity.code, "image": image}
    record |= {name: getattr(planned.run, name).name for name in ("dataset", "model", "method")}
    record |= {"runner": "docker", "sparsity": planned.run.sparsity, "seed": planned.run.seed}
    record["budget"] = vars(planned.run.budget)
    record["provenance"]["data_sha256"] = planned.identity.data
    record["key"] = identity.of_record(record).key
    path = Path(folder) / "records" / record_name(record)
    write(record, path)
    return path
