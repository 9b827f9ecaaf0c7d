"""How many runs at a time: searched by doubling, measured with real processes, none of which is left behind."""

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from runs import small

from harness.cli import main as cli
from harness.executors import packing
from harness.executors.packing import Packing, TooManyError, best, search
from harness.executors.sharing import share
from harness.machine import gpus
from harness.plan.planned import Planned
from harness.runners.processes import unfinished

LINE = "measuring how many runs at a time are fastest: "


def run(**fields):
    return small("granet", **{"recipe": {"threads": 1}, **fields})


@pytest.mark.parametrize(
    ("totals", "limit", "jobs", "tried"),
    [
        ({1: 100, 2: 190, 4: 300, 8: 310}, 16, 4, [1, 2, 4, 8]),
        ({1: 100, 2: 104}, 16, 1, [1, 2]),
        ({1: 100, 2: 200}, 2, 2, [1, 2]),
        ({1: 100, 2: 200, 4: 400, 6: 500}, 6, 6, [1, 2, 4, 6]),
        ({1: 100}, 1, 1, [1]),
        ({1: 100, 2: 200, 4: None}, 16, 2, [1, 2]),
        ({1: None}, 16, 1, []),
    ],
)
def test_the_number_doubles_as_long_as_that_pays(totals, limit, jobs, tried, capsys):
    def measure(jobs):
        if totals[jobs] is None:
            raise TooManyError("out of memory")
        return totals[jobs]

    assert search(measure, limit) == Packing(jobs, {number: totals[number] for number in tried})
    assert capsys.readouterr().err.splitlines() == [
        f"{LINE}{number} at a time: {'out of memory' if total is None else f'{total} samples/s'}"
        for number, total in totals.items()
    ]


def test_runs_are_measured_together(capsys):
    found = best(run(), most=2, seconds=0.3)
    assert list(found.samples_per_second) == [1, 2]
    alone, two = found.samples_per_second.values()
    assert alone > 0
    assert found.jobs == (2 if two >= packing.GAIN * alone else 1)
    assert f"{LINE}2 at a time: {two:,.0f} samples/s" in capsys.readouterr().err
    assert not unfinished()


def test_where_there_is_no_choice_nothing_is_measured(capsys):
    assert best(run(), most=1) == best(run(recipe={"threads": None})) == Packing(1)
    assert capsys.readouterr().err == ""


def test_a_run_of_several_processes_takes_the_cores_of_all_and_has_its_gpus_alone(capsys):
    several, cores = run(), len(os.sched_getaffinity(0))
    several.nproc = cores
    assert best(several) == Packing(1)
    several.nproc = 2
    assert packing._carried(several) == max(1, cores // 2)
    several.device = "cuda"
    assert best(several) == Packing(1)
    assert capsys.readouterr().err == ""
    alone = replace(several, nproc=1)
    jobs = 2 * max(1, len(gpus.visible(gpus.installed())))
    chains = [[Planned(each, None, None, None, None)] for each in (several, alone)]
    assert [planned.run.packed for (planned,) in share(chains, jobs, print)[1]] == [1, 2]


@pytest.mark.parametrize(
    ("threads", "jobs", "crowded"), [(None, 2, True), (None, 1, False), (1, 2, False), (1, 3, True)]
)
def test_more_threads_than_cores_are_told_before_anything_is_trained(threads, jobs, crowded, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    chains, told = [[Planned(run(recipe={"threads": threads}), None, None, None, None)] for _ in range(jobs)], []
    share(chains, jobs, told.append)
    each = "1 thread" if threads else "2 threads"
    said = f"{jobs} runs at a time on {each} each crowd 2 cores and can be several times slower: fewer at a time "
    assert told == [f"{said}avoid that, or recipe.threads=1, which is part of a run's key"][:crowded]


def test_a_run_that_cannot_start_is_left_to_say_so_itself(capsys):
    found = best(run(recipe={"threads": 1, "augment": "twirl"}), most=2, seconds=0.1)
    assert found == Packing(1)
    assert "1 at a time: unknown augmentation" in capsys.readouterr().err


@contextmanager
def meanwhile(do):
    """Call ``do`` with the processes of a measurement soon after they have started, from another thread."""
    over = threading.Event()

    def wait():
        while not over.wait(0.02):
            if children := unfinished():
                over.wait(0.5)
                do([child.pid for child in children])
                return

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_killed_process_ends_the_search(capsys):
    with meanwhile(lambda pids: os.kill(pids[0], signal.SIGKILL)):
        assert best(run(), most=2, seconds=60) == Packing(1)
    assert f"{LINE}1 at a time: a process was killed" in capsys.readouterr().err
    assert not unfinished()


def test_ctrl_c_leaves_no_process():
    def interrupt(pids):
        for pid in [*pids, os.getpid()]:  # as a terminal does, which tells all of a group
            os.kill(pid, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), meanwhile(interrupt):
        best(run(), most=2, seconds=60)
    assert not unfinished()


@pytest.mark.parametrize(("text", "jobs"), [("auto", None), ("1", 1), ("8", 8)])
def test_jobs_are_a_number_or_auto(text, jobs):
    assert cli.parse(["suite", "--suite", "smoke", "--jobs", text]).jobs == jobs


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "", "AUTO", "٣", "100000"])
def test_other_jobs_get_one_line_that_names_them_and_exit_2(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.parse(["suite", "--suite", "smoke", f"--jobs={text}"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--jobs: {text!r} is not auto or a number" in line
