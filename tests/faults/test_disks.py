"""Disks that are full, have no inodes, are read-only, or hold something else in the place of a folder."""

import contextlib
import os
import shutil

import pytest
from faults import disk, outcome, planned, records, remount

from harness.errors import UsageError
from harness.executors import local
from harness.executors.base import Progressed
from harness.executors.execute import execute
from harness.networks import keep
from harness.plan.planned import plan


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The record of a run that met no fault."""
    return execute(planned(tmp_path_factory.mktemp("whole")), lambda message: None).record


def train(run):
    """Train a run; return how it ended and the lines for a person."""
    said = []
    ended = execute(run, lambda message: said.append(message.get("text", "")))
    return ended, said


def fill(path):
    """Write a file that takes what is left of its disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.fixture
def blocked(tmp_path):
    """A run whose training is over and whose record could not be published, since ``records`` is a file."""
    run = planned(tmp_path)
    (tmp_path / "records").write_text("in the way")
    with pytest.raises(UsageError, match=r"records: cannot be written to .*the finished record is kept in .*runs"):
        train(run)
    (tmp_path / "records").unlink()
    return run


def test_a_finished_record_is_published_first_and_nothing_trained_again(blocked, whole):
    ended, said = train(blocked)
    assert (ended.status, said) == ("done", [])  # a training would have said more
    assert outcome(ended.record) == outcome(whole)
    assert ended.record["code"] == blocked.identity.code
    assert not list(blocked.folder.parent.iterdir())


def test_a_record_of_another_run_in_the_folder_is_not_published(blocked, tmp_path):
    other = planned(tmp_path, "dense")
    blocked.folder.rename(other.folder)
    ended, said = train(other)
    assert ended.record["method"] == "dense"
    assert any("of another run" in line for line in said)


@pytest.mark.parametrize("options", ["size=2m", "size=2m,nr_inodes=24"])
def test_a_small_disk_serves_a_small_run(options, tmp_path, whole):
    with disk(tmp_path / "disk", options) as folder:
        ended, _ = train(planned(folder))
        assert ended.status == "done"
        assert outcome(ended.record) == outcome(whole)
        assert not list((folder / "runs").iterdir())


def test_a_disk_without_room_for_a_network_still_takes_the_record(tmp_path, whole):
    with disk(tmp_path / "disk", "size=256k") as folder:
        ended, said = train(planned(folder))
        assert ended.status == "done"
        assert outcome(ended.record) == outcome(whole)
        assert any("no checkpoint could be written" in line for line in said)
        assert any("the trained network could not be written" in line for line in said)


def test_a_record_gets_the_room_that_its_network_has_taken(tmp_path, whole):
    page = 4096
    with disk(tmp_path / "disk", "size=2m") as folder:
        run = planned(folder)
        (folder / "records").write_text("in the way")
        with pytest.raises(UsageError, match="cannot be written to"):
            train(run)
        (folder / "records").unlink()
        network = keep.path_of(folder, run.key)
        room = -(-whole["network"]["bytes"] // page) * page + page
        fill(folder / "ballast")
        os.truncate(folder / "ballast", (folder / "ballast").stat().st_size // page * page - room)
        ended, said = train(run)
        assert outcome(ended.record) == outcome(whole)
        assert "network" not in ended.record
        assert not network.exists()
        assert any(line.endswith("is not kept: No space left on device") for line in said)


@pytest.mark.parametrize("options", ["size=2m", "size=2m,nr_inodes=2"])
def test_a_full_disk_is_said_in_one_line_before_training(options, tmp_path):
    with disk(tmp_path / "disk", options) as folder:
        fill(folder / "ballast")
        with pytest.raises(UsageError, match="No space left") as caught:
            train(planned(folder))
        assert "\n" not in str(caught.value)
        (folder / "ballast").unlink()


def test_a_disk_that_fills_up_while_a_run_is_trained_neither_ends_it_nor_loses_it(tmp_path, whole):
    with disk(tmp_path / "disk", "size=2m") as folder:
        run = planned(folder)

        def meanwhile(message):
            if message["event"] == "started":
                fill(folder / "ballast")

        with pytest.raises(UsageError, match=r"cannot be written to|No space left"):
            execute(run, meanwhile)
        (folder / "ballast").unlink()
        ended, _ = train(run)
        assert ended.status == "done"
        assert outcome(ended.record) == outcome(whole)


def test_a_disk_that_is_full_for_a_while_is_tried_again_and_loses_nothing(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(local, "RETRY_SECONDS", 0.5)
    with disk(tmp_path / "disk", "size=2m") as folder:
        executor, filled = local.LocalExecutor(retries=5), []
        executor.submit([[planned(folder)]])
        for event in executor.events():
            if isinstance(event, Progressed) and event.message["event"] == "started" and not filled:
                filled.append(fill(folder / "ballast"))
            if isinstance(event, Progressed) and "trying again" in event.message.get("text", ""):
                (folder / "ballast").unlink(missing_ok=True)
        assert event.status == "done"
        assert outcome(event.record) == outcome(whole)


def test_a_read_only_output_is_said_in_one_line(tmp_path):
    with disk(tmp_path / "disk", "size=2m") as folder:
        run = planned(folder)
        remount(folder, "ro")
        with pytest.raises(UsageError, match="Read-only file system"):
            train(run)


def test_a_disk_that_becomes_read_only_keeps_the_settled_record(tmp_path):
    with disk(tmp_path / "disk", "size=4m") as folder:
        done, _ = train(planned(folder))
        (again,) = plan([planned(folder).run])
        assert again.done
        remount(folder, "ro")
        assert records(folder) == [done.record]


def test_a_folder_that_vanishes_in_mid_run_costs_its_checkpoints_alone(tmp_path, whole):
    run = planned(tmp_path / "output")

    def vanish(message):
        if message["event"] == "started":
            shutil.rmtree(tmp_path / "output")

    assert outcome(execute(run, vanish).record) == outcome(whole)
    assert len(records(tmp_path / "output")) == 1
