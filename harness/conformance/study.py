"""The runs of one examination, each trained when a check first needs it."""

import shutil
import tempfile
import weakref
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from harness.audit import referee
from harness.conformance import child
from harness.conformance.errors import ConformanceError
from harness.conformance.subject import Subject
from harness.conformance.tape import Recorder, Tape, recording
from harness.conformance.trained import Make, Watched, begin, settled, train, watched
from harness.errors import UsageError
from harness.plan.planned import Planned
from harness.training import network, report
from harness.training.determinism import Nondeterministic
from harness.training.trainer import Trainer

_PREFERRED = "0.9"


class Study:
    """Runs of a subject at several sparsities.

    Attributes:
        subject: What is examined.
        folder: Holds what passes between processes; removed with this object.
        refused: Why a sparsity cannot be had, by sparsity; complete once `planned` was read.
        nondeterministic: Operators without a deterministic algorithm that the runs used so far.
    """

    def __init__(self, subject: Subject) -> None:
        """Train nothing yet."""
        self.subject = subject
        self.folder = Path(tempfile.mkdtemp(prefix="sparsebench-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.refused: dict[str, str] = {}
        self.nondeterministic: list[str] = []

    @cached_property
    def planned(self) -> dict[str, Planned]:
        """The run at each sparsity that can be had.

        Raises:
            ConformanceError: None can.
        """
        found: dict[str, Planned] = {}
        for sparsity in self.subject.sparsities:
            try:
                planned = self.subject.planned(sparsity, str(self.folder / "output"))
                _ = planned.price
            except UsageError as error:
                self.refused[sparsity] = str(error)
            else:
                # Dense training has sparsity 0, whatever was requested.
                found[sparsity if planned.run.method.masked else "0"] = planned
        if not found:
            raise ConformanceError(next(iter(self.refused.values())))
        return found

    @property
    def possible(self) -> bool:
        """Whether a run can be planned."""
        try:
            return bool(self.planned)
        except ConformanceError:
            return False

    @property
    def sparsity(self) -> str:
        """The sparsity of the runs that are compared to the bit."""
        return _PREFERRED if _PREFERRED in self.planned else list(self.planned)[-1]

    @property
    def main(self) -> Planned:
        """The run that is compared to the bit."""
        return self.planned[self.sparsity]

    @cached_property
    def watched(self) -> dict[str, Watched]:
        """The run at each sparsity, its masks counted in every step."""
        found = {}
        for sparsity, planned in self.planned.items():
            with settled(planned.run), Nondeterministic() as unsure:
                found[sparsity] = watched(planned)
            self.nondeterministic = sorted({*self.nondeterministic, *unsure.names})
        return found

    @cached_property
    def judged(self) -> dict[str, dict[str, Any]]:
        """What is counted and scored in the network that each run left, without the code of the method."""
        found = {}
        for sparsity, run in self.watched.items():
            path = self.folder / f"{sparsity}.safetensors"
            network.write(report.network(run.trainer), path)
            with settled(run.planned.run):
                found[sparsity] = referee.judge(run.record["config"], path)
        return found

    @cached_property
    def recorded(self) -> tuple[Trainer, dict[str, Any], Tape]:
        """The main run, trained with its gradients on a tape: its trainer, the trainer's state, and the tape."""
        tape = Tape()
        with recording(tape):
            return *self._trained(partial(Recorder, tape=tape)), tape

    @property
    def first(self) -> tuple[Trainer, dict[str, Any]]:
        """The main run, trained once: its trainer, and the trainer's state at the end."""
        return self.recorded[:2] if self.subject.group == "method" else self._plain

    @cached_property
    def _plain(self) -> tuple[Trainer, dict[str, Any]]:
        return self._trained(Trainer)

    def again(self) -> dict[str, Any]:
        """Train the main run once more and return the state of its trainer."""
        return self._trained(Trainer)[1]

    def resumed(self) -> tuple[list[int], dict[str, Any]]:
        """Train the main run in three parts, the last of them in another process.

        Returns:
            The steps after which it was stopped, and the state of its trainer at the end.
        """
        stops = self._stops()
        with settled(self.main.run):
            trainer = train(begin(self.main)[0], stops[0])
            torch.save(trainer.state_dict(), self.folder / "state.pt")
            trainer = begin(self.main)[0]
            trainer.load_state_dict(torch.load(self.folder / "state.pt", weights_only=True))
            train(trainer, stops[1])
            torch.save(trainer.state_dict(), self.folder / "state.pt")
        return stops, child.run("resume", self.subject, self.sparsity, self.folder)

    def blind(self) -> dict[str, Any]:
        """Train the main run in a process without data, on the recorded gradients, and return its state."""
        torch.save(vars(self.recorded[2]), self.folder / "tape.pt")
        return child.run("blind", self.subject, self.sparsity, self.folder)

    def _stops(self) -> list[int]:
        """Choose two steps to stop after: that of the first event, which may fall inside an interval, and a later."""
        trainer = self.first[0]
        total = trainer.course.ledger.steps
        events = [entry["step"] for entry in trainer.history.topology[1:]]
        early = next((step for step in events if 0 < step < total - 1), total // 3)
        return [early, (early + total) // 2]

    def _trained(self, make: Make) -> tuple[Trainer, dict[str, Any]]:
        with settled(self.main.run), Nondeterministic() as unsure:
            trainer = train(begin(self.main, make)[0])
            state = trainer.state_dict()  # with the generators as they are now
        self.nondeterministic = sorted({*self.nondeterministic, *unsure.names})
        return trainer, state


def described(study: Study) -> str:
    """Return the runs of a study in words."""
    run = study.main.run
    budget = asdict(run.budget)
    return f"{run.dataset.name}/{run.model.name}, {budget['kind']}:{budget['amount']:g}, seed {run.seed}"
