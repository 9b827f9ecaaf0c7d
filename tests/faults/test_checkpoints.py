"""Checkpoints that are damaged, foreign, unfinished or cannot be written."""

import json
import os
import random
import signal

import pytest
import torch
from faults import disk, outcome, request
from runs import at_step, small, train

from harness.training import checkpoint, report, sealed, worker

KEY = "0" * 16
RUN = {"method": "rigl", "budget": "steps:40"}


@pytest.fixture(scope="module")
def half():
    """The checkpoint of a run at its middle."""
    trainer = train(small(**RUN), at_step(20))
    clocks = {"samples": 0, "slowed": 0, "capped": 0}
    return {"key": KEY, "elapsed": 1.0, "clocks": clocks, "trainer": trainer.state_dict()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The record of the same run, which met no fault."""
    return work(tmp_path_factory.mktemp("whole"))[0]


def work(folder, run=None, **more):
    """Train a request in this process; return the record, and the lines for a person."""
    lines = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.work(request(run or small(**RUN), folder, **more), folder, lines.append)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.loads((folder / "record.json").read_text()), [line.get("text") for line in lines if "text" in line]


def test_not_one_of_300_flipped_bits_is_loaded(tmp_path, half):
    path = tmp_path / "checkpoint.pt"
    sealed.write(half, path)
    content = path.read_bytes()
    draws = random.Random(0)
    for _ in range(300):
        bit = draws.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(sealed.DamagedError):
            sealed.read(path)
    path.write_bytes(content)
    assert sealed.read(path)["elapsed"] == 1.0


def test_a_checkpoint_is_an_ordinary_file_of_torch(tmp_path, half):
    sealed.write(half, tmp_path / "checkpoint.pt")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["key"] == KEY


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def unsealed(path, half):
    torch.save(half, path)


def sealed_with(change):
    def write(path, half):
        sealed.write(change(half, path), path)

    return write


def reseal(path, content):
    path.write_bytes(content + sealed._MARK + sealed.hashlib.sha256(content).digest())


def bomb(path, half):
    torch.save({**half, "more": Bomb(path.with_name("exploded"))}, path)
    reseal(path, path.read_bytes())


def truncated(path, half):
    sealed.write(half, path)
    os.truncate(path, path.stat().st_size // 2)


def link(path, half):
    sealed.write(half, path.with_name("elsewhere.pt"))
    path.symlink_to("elsewhere.pt")


BAD = {
    "empty": lambda path, half: path.write_bytes(b""),
    "truncated": truncated,
    "garbage": lambda path, half: path.write_bytes(random.Random(0).randbytes(5000)),
    "sealed garbage": lambda path, half: reseal(path, b"garbage" * 100),
    "without a seal": unsealed,
    "a list": sealed_with(lambda half, path: [half]),
    "without a key": sealed_with(lambda half, path: {name: half[name] for name in half if name != "key"}),
    "without a trainer": sealed_with(lambda half, path: {**half, "trainer": None}),
    "of another run": sealed_with(lambda half, path: {**half, "key": "1" * 16}),
    "of another time": sealed_with(lambda half, path: {**half, "elapsed": float("nan")}),
    "of other shapes": sealed_with(
        lambda half, path: {**half, "trainer": {**half["trainer"], "masks": {}, "course": {"steps": "many"}}}
    ),
    "with code": bomb,
    "a folder": lambda path, half: (path / "inside").mkdir(parents=True),
    "a link": link,
    "a pipe": lambda path, half: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_checkpoint_is_set_aside_and_said_and_the_run_begins_anew(kind, tmp_path, half, whole):
    BAD[kind](tmp_path / "checkpoint.pt", half)
    made, said = work(tmp_path)
    assert (made["status"], made["provenance"]["resumed"]) == ("done", False)
    assert outcome(made) == outcome(whole)
    (line,) = [text for text in said if "set aside" in text]
    assert line.startswith("checkpoint.pt cannot be used (")
    assert line.endswith("beginning anew")
    assert os.path.lexists(tmp_path / checkpoint.BAD)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("kind", ["truncated", "garbage", "of other shapes", "a folder"])
def test_the_one_before_a_bad_checkpoint_is_used(kind, tmp_path, half, whole):
    sealed.write(half, tmp_path / checkpoint.BEFORE)
    BAD[kind](tmp_path / "checkpoint.pt", half)
    made, said = work(tmp_path)
    assert (made["status"], made["provenance"]["resumed"]) == ("done", True)
    assert outcome(made) == outcome(whole)
    assert any(text.endswith(f"trying {checkpoint.BEFORE}") for text in said)


def test_two_bad_checkpoints_in_turn_leave_one_set_aside(tmp_path, half, whole):
    for name in ("checkpoint.pt", checkpoint.BEFORE, checkpoint.BAD):
        BAD["a folder"](tmp_path / name, half)
    made, said = work(tmp_path)
    assert outcome(made) == outcome(whole)
    assert len([text for text in said if "set aside" in text]) == 2


def test_a_kill_between_two_generations_loses_neither(tmp_path, half, whole):
    sealed.write(half, tmp_path / checkpoint.BEFORE)
    (tmp_path / "checkpoint-new.part").write_bytes(b"unfinished")
    made, said = work(tmp_path)
    assert (made["provenance"]["resumed"], said) == (True, [])
    assert outcome(made) == outcome(whole)
    assert not list(tmp_path.glob("*.part"))


def test_two_generations_are_kept(tmp_path):
    run = small(**RUN)
    run.checkpoint_seconds = 1e-9
    work(tmp_path, run)
    names = (checkpoint.CHECKPOINT, checkpoint.BEFORE)
    last, before = (sealed.read(tmp_path / name)["elapsed"] for name in names)
    assert last > before
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["checkpoint-before.pt", "checkpoint.pt"]


def test_no_checkpoints_are_written_where_none_are_wanted(tmp_path):
    run = small(**RUN)
    run.checkpoint_seconds = 0
    work(tmp_path, run)
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.parametrize("run", [RUN, {"method": "lth_rewind", "budget": "steps:40"}])
def test_a_run_that_dies_on_the_test_set_scores_it_without_training_again(run, tmp_path, monkeypatch):
    def dies(model, batches, task, *, each):
        raise OSError("image file is truncated")

    (tmp_path / "whole").mkdir()
    undisturbed, _ = work(tmp_path / "whole", small(**run))
    with monkeypatch.context() as patched:
        patched.setattr(report, "evaluate", dies)
        made, _ = work(tmp_path, small(**run))
    assert (made["status"], made["reason"]) == ("failed", "OSError: image file is truncated")
    monkeypatch.setattr("harness.training.step.Step.__call__", None)  # no step is taken
    again, _ = work(tmp_path, small(**run))
    assert (again["status"], again["provenance"]["resumed"]) == ("done", True)
    assert outcome(again) == outcome(undisturbed)


def test_a_full_disk_warns_once_and_the_run_trains_on(tmp_path, whole):
    run = small(**RUN)
    run.checkpoint_seconds = 1e-9
    with disk(tmp_path / "disk", "size=300k") as folder:
        (folder / "ballast").write_bytes(bytes(200_000))
        made, said = work(folder, run)
        assert made["status"] == "done"
        assert outcome(made) == outcome(whole)
        assert not list(folder.glob("*.part"))
    room, failed, *more = [text for text in said if "checkpoint" in text]
    assert "whose disk has 0.1 MB left" in room
    assert failed.endswith("left); training continues")
    assert len(more) <= 1  # the size of a checkpoint changes once, with the first momentum


def test_where_two_checkpoints_have_room_but_not_three_the_older_gives_way(tmp_path):
    run = small(**RUN)
    run.checkpoint_seconds = 1e-9
    work(tmp_path, run)
    size = (tmp_path / "checkpoint.pt").stat().st_size
    with disk(tmp_path / "disk", f"size={2 * size + 200_000}") as folder:
        made, said = work(folder, run)
        assert made["status"] == "done"
        assert sealed.read(folder / "checkpoint.pt")["key"] == KEY
    assert not any("could not" in text or "no checkpoint" in text for text in said)


def test_a_state_that_cannot_be_stored_does_not_end_the_run(tmp_path, monkeypatch, whole):
    real = checkpoint.Checkpoints._state
    monkeypatch.setattr(checkpoint.Checkpoints, "_state", lambda self, key: {**real(self, key), "more": lambda: None})
    made, said = work(tmp_path)
    assert outcome(made) == outcome(whole)
    assert any("no checkpoint could be written" in text for text in said)


def test_the_folder_may_vanish_in_the_middle(tmp_path, monkeypatch, whole):
    import shutil

    folder = tmp_path / "folder"
    folder.mkdir()
    real = report.describe
    monkeypatch.setattr(report, "describe", lambda *given: (shutil.rmtree(folder), real(*given)))
    made, _ = work(folder)
    assert outcome(made) == outcome(whole)
