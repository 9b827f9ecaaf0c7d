"""What the tests of faults share: planned runs of seconds, small disks, processes that are left."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import small

from harness import config
from harness.places import ROOT
from harness.plan.planned import plan

PARTS = ("metrics", "curve", "topology", "rounds")
COUNTS = ("steps", "samples", "train_flops", "train_flops_ratio")


def planned(output, method="static", **more):
    """Plan a run of a second on one thread."""
    run = small(method, **{"recipe": {"threads": 1}, **more})
    (made,) = plan([dataclasses.replace(run, output=str(output))])
    return made


def outcome(record):
    """Return all of a record that a fault must not change."""
    return {part: record[part] for part in PARTS} | {name: record["cost"][name] for name in COUNTS}


def request(run, folder, key="0" * 16, **more):
    """Write the request of a run; return its path."""
    path = folder / "request.json"
    asked = {"config": config.to_dict(run), "key": key, "runner": "local", "provenance": {}, **more}
    path.write_text(json.dumps(asked))
    return path


@contextlib.contextmanager
def disk(folder, options):
    """Mount a small disk of its own on a folder."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk cannot be mounted here: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=False, capture_output=True)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder, options):
    """Change the options of a mounted disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def start(*arguments, **more):
    """Start the command line."""
    command = [sys.executable, "-m", "harness.cli", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, **{**pipes, **more})


def wait_until(condition, seconds=90):
    """Wait until something holds; return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def records(output):
    """Read the published records of an output folder."""
    return [json.loads(path.read_text()) for path in sorted(Path(output).glob("records/*.json"))]


def using(folder):
    """The processes, other than this one, that work in a folder or have a file of it open."""
    found = set()
    for entry in [*Path("/proc").glob("[0-9]*/fd/*"), *Path("/proc").glob("[0-9]*/cwd")]:
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith(str(folder)):
                found.add(int(entry.parts[2]))
    return found - {os.getpid()}
