"""Asks Slurm which jobs of a suite there are, and stops them.

From ``squeue`` and not from the accounting (``sacct``), which not every cluster keeps.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from harness.errors import UsageError

_COMMANDS = ("sbatch", "squeue", "scancel", "srun", "scontrol", "sinfo")
_OVER = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
)
_FOR_EVER = re.compile(
    "Partition(TimeLimit|NodeLimit|Down|Inactive)|(Assoc|QOS)Max.*PerJob|(Account|QOS)NotAllowed|Invalid(Account|QOS)"
    "|BadConstraints|DependencyNeverSatisfied|JobHeld|ReservationDeleted"
)
"""Reasons for which a job waits until somebody changes it or the cluster."""
_VARIABLES = [
    f"SBATCH_{name}"
    for name in "ARRAY_INX CLUSTERS ERROR JOB_NAME NO_REQUEUE OPEN_MODE OUTPUT REQUEUE SIGNAL WAIT".split()
]
"""Of the environment, which come before what a script of sbatch asks for."""
_TIMEOUT_SECONDS = 60.0
_LEAVE_SECONDS = 30.0
"""For jobs whose runs have ended to end themselves."""


def require() -> None:
    """Make sure that this is a machine from which jobs can be submitted.

    Raises:
        UsageError: A command of Slurm is missing, or the controller does not answer.
    """
    for command in _COMMANDS:
        if shutil.which(command) is None:
            raise UsageError(
                f"the slurm executor needs {command}, which is not on this machine: start it on a login node"
            )
    done = _run("squeue", "--me", "--noheader", "--format=%i")
    if done is None or done.returncode:
        said = "no answer" if done is None else " ".join(done.stderr.split())
        raise UsageError(f"Slurm does not answer: {said}")


def other_nodes(avoid: Collection[str], partition: str | None) -> list[str]:
    """Return the nodes that can take jobs but for some, of a partition or of the default ones."""
    where = [f"--partition={partition}"] if partition else []
    done = _run("sinfo", "--noheader", "--Node", "--format=%N", "--states=idle,alloc,mix,comp", *where)
    return [] if done is None else sorted(set(done.stdout.split()) - set(avoid))


@contextmanager
def unset() -> Iterator[None]:
    """Hide the variables by which sbatch would name, number, warn or answer otherwise than the executor asks it to."""
    hidden = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class Queue:
    """The jobs that have one name."""

    def __init__(self, name: str, exclude: str | None) -> None:
        """Prepare.

        Args:
            name: That no other jobs have.
            exclude: Nodes that the jobs are never to take.
        """
        self._name, self._exclude = name, exclude or ""
        self._missed: dict[str, int] = {}
        self._avoiding: set[str] = set()
        self._said: set[str] = set()
        self._notes: dict[str, str] = {}

    def over(self, jobs: Collection[str]) -> Mapping[str, str]:
        """Return which of these jobs are over, with their state; that is believed once it was seen twice."""
        states = self._states()
        if states is None:
            return {}
        found = {}
        for job in jobs:
            state = states.get(job, "gone from the queue")
            if job not in states or _is_over(state):
                self._missed[job] = self._missed.get(job, 0) + 1
                if self._missed[job] > 1:  # one that is being requeued may look so for a moment
                    found[job] = state
                    _run("scancel", job)  # one that is held is of no more use
            else:
                self._missed.pop(job, None)
        return found

    def avoids(self, jobs: Collection[str]) -> None:
        """Take in that jobs avoid nodes, and are to have any if all others have gone."""
        self._avoiding |= set(jobs)

    def note(self, job: str) -> str | None:
        """Return a line on why a job may wait for ever, if there is one that was not returned before."""
        return self._notes.pop(job, None)

    def stop(self, *, kill: bool) -> None:
        """Cancel the jobs that wait, or all."""
        _run("scancel", "--me", f"--name={self._name}", *(() if kill else ("--state=PENDING",)))

    def leave(self) -> None:
        """Wait for the jobs to end, whose runs have ended, and cancel those that do not."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        while time.monotonic() < deadline:
            states = self._states()
            if states is not None and all(map(_is_over, states.values())):
                return
            time.sleep(1.0)
        self.stop(kill=True)

    def _states(self) -> dict[str, str] | None:
        """Return the state of each job that Slurm still knows; None if it does not answer.

        A job that avoids a node, and for which all others have gone, may take any from then on. For one that Slurm
        could not start again, and holds until an operator looks after it, the reason is its state.
        """
        done = _run(
            "squeue", "--me", f"--name={self._name}", "--noheader", "--array", "--states=all", "--format=%i %T %r"
        )
        if done is None or done.returncode:
            return None
        found = {}
        for line in done.stdout.splitlines():
            job, state, reason = (*line.split(maxsplit=2), "", "")[:3]
            found[job] = reason if _is_held(reason) else state
            if state == "PENDING" and _FOR_EVER.match(reason) and reason not in self._said:
                self._said.add(reason)
                self._notes[job] = f"job {job} waits, and perhaps for ever: {reason}"
            if reason.startswith("ReqNodeNotAvail") and job in self._avoiding:
                self._avoiding.remove(job)
                _run("scontrol", "update", f"job={job}", f"ExcNodeList={self._exclude}")
        return found


def _is_over(state: str) -> bool:
    return state in _OVER or _is_held(state)


def _is_held(reason: str) -> bool:
    return reason == "JobHoldMaxRequeue" or ("requeued" in reason and "held" in reason)


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
