"""Training: the one loop that every method runs in."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from harness import generators
from harness.budget.course import Iteration
from harness.config import RunConfig
from harness.machine.precision import placed
from harness.records import metrics
from harness.seeds import derive
from harness.tasks import base
from harness.tasks.data import Data
from harness.tasks.score import evaluate
from harness.training import optimizers, stopwatch
from harness.training.history import History
from harness.training.learning_rate import Rates
from harness.training.prepare import Prepared
from harness.training.promises import Promises
from harness.training.ranks import Ranks
from harness.training.rewinding import RewindPoint
from harness.training.step import Step
from harness.training.topology import Topology

LOG_SECONDS = 0.5
Emit = Callable[[dict[str, Any]], None]
Call = Callable[[], object]


class DivergedError(Exception):
    """The training loss, or the metric on the validation split, is NaN or infinite."""


class Trainer:
    """A run being trained. All of its state is reachable from here: `state_dict` and `load_state_dict`.

    Attributes:
        model: The network, trained in place.
        optimizer: Of its parameters.
        masks: Of its masked weights.
        course: Where the run stands and what its next iteration is.
        history: What goes into the record: curve, topology, rounds.
        watch: Seconds by what they were spent on.
    """

    def __init__(self, run: RunConfig, task: Prepared, splits: Data, ranks: Ranks | None = None) -> None:
        """Put the model on its device and draw the masks.

        Args:
            run: What to train.
            task: Made from it by `harness.training.prepare.prepare`.
            splits: The data set.
            ranks: The processes of the run; None for this one alone.
        """
        self._run, self._splits, self._task = run, splits, base.of(vars(run.dataset))
        self._device = torch.device(run.device)
        generators.seed(derive(run.seed, "train"))
        self.model = placed(task.model, self._device)
        self.optimizer = optimizers.build(run, task)
        self.history = History(metrics.field(self._task.metric, "val"))
        self._topology = Topology(run, task, self.optimizer, self.history, ranks)
        self.masks = self._topology.masks
        self.course = task.course(run)
        self.watch = stopwatch.of(self._device, self.course)
        self._rates = Rates(run.recipe, self.course)
        self._step = Step(run, self.model, self.optimizer, self._topology, splits.train, ranks=ranks)
        self._promises = Promises(self.masks, 1 - run.sparsity, run.method, self._task)
        self._rewinding = run.method.rewinding(1 - run.sparsity)
        self._rewind_point = RewindPoint(self._rewinding, self.model, self.masks, self.optimizer)
        self._evaluations = run.evaluations
        if self._rewinding and run.budget.rounds == "shared":
            self._evaluations = math.ceil(run.evaluations / (self._rewinding.rounds + 1))
        self._evaluated, self._picks = 0, self._stream()
        if not self._topology.probes:  # else once it is known that no checkpoint takes the place of all this
            self._topology.start(self.model, splits.train)

    def train(self, emit: Emit, checkpoint: Call, stop: Callable[[], bool], before_last: Call | None = None) -> bool:
        """Train until the budget is spent.

        Args:
            emit: Takes progress events.
            checkpoint: Called between iterations every ``checkpoint_seconds``.
            stop: Called between iterations; returns whether to stop early.
            before_last: Called before the last iteration; under a budget of seconds none is known to be the last.

        Returns:
            Whether the budget is spent; False if it was told to stop.

        Raises:
            DivergedError: The loss became NaN or infinite.
        """
        self.model.train()
        self.watch.restart()
        if not self._topology.begun:
            self._topology.start(self.model, self._splits.train)
            self.watch.book("topology")
            self.course.require_step()
        logged = saved = time.monotonic()
        self._rewind_point.keep_if_due(self.course)
        self._topology.require_agreement(self.course.ledger.steps)
        self._topology.say_empty(emit)
        while not self.course.clock.done:
            if stop():
                return False
            iteration = self.course.next(self.masks.active, self.masks.charged)
            if iteration.last and before_last is not None:
                before_last()
                self.watch.restart()
            self._step(next(self._picks), self._rates.of(iteration), iteration.event)
            self.watch.book("train")
            falls = self.course.take(iteration)
            self._rewind_point.keep_if_due(self.course)
            if falls:
                self._change_topology(iteration)
                self._topology.say_empty(emit)
            if self.course.clock.done:
                self._promises.check_charged(self.course.ledger.steps)
                self._topology.finish(self.course.ledger.steps)
            evaluated = self._evaluate_if_due()
            now = time.monotonic()
            if evaluated or now - logged > LOG_SECONDS:
                emit(self._progress(evaluated=evaluated))
                logged = now
            if self._run.checkpoint_seconds and now - saved > self._run.checkpoint_seconds:
                checkpoint()
                saved = time.monotonic()
                self.watch.restart()
        if self._rewinding:
            self.history.note_round()
        return True

    def final_violations(self) -> list[str]:
        """Return the promises that the run broke (RULES.md, 6); an empty list if it kept them all."""
        return self._promises.at_end(self.course.ledger.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume from here, bit for bit on the same machine."""
        self.watch.settle()
        self._promises.check_task(self.course.ledger.steps)
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "masks": self.masks.state_dict(),
            "course": self.course.state_dict(),
            "snapshot": self._rewind_point.snapshot,
            **self.history.state_dict(),
            "seconds": self.watch.seconds,
            **self._step.state_dict(),
            "evaluated": self._evaluated,
            "violations": self._promises.broken,
            "random": generators.state_dict(self._device.type),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; model and masks keep their storage."""
        self.model.load_state_dict(state["model"])
        groups = {"param_groups": self.optimizer.state_dict()["param_groups"]}  # as this machine wants them
        self.optimizer.load_state_dict(state["optimizer"] | groups)
        self.masks.load_state_dict(state["masks"])
        self._topology.resume()
        self.course.load_state_dict(state["course"])
        self._rewind_point.snapshot = state["snapshot"]
        self.history.load_state_dict(state, self.course.clock.total_steps)
        self.watch.load_state_dict(state["seconds"])
        self._step.load_state_dict(state)
        self._evaluated = state["evaluated"]
        self._promises.broken = state["violations"]
        self._picks = self._stream()
        generators.load_state_dict(state["random"])

    def _stream(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield what batches are made of, from where the course stands."""
        while True:
            epoch, done = self.course.epoch
            yield from self._splits.train.picks(epoch, start=done)

    def _change_topology(self, iteration: Iteration) -> None:
        if iteration.rewinds:
            self._evaluate(1.0)
            self.history.note_round()
            self._evaluated = int(self.course.position * self._evaluations)
        self._topology.update(iteration)
        if iteration.rewinds:
            self._rewind_point.restore()
        self._topology.note(self.course.ledger.steps, iteration.event)
        self.watch.book("topology")

    def _evaluate_if_due(self) -> bool:
        """Validate if the next evaluation is due; return whether it was."""
        over = self.course.clock.done
        position = 1.0 if over else self.course.position
        # The end of a round is evaluated where it is pruned.
        due = (over or position < 1) and position * self._evaluations >= self._evaluated + 1
        if due:
            self._evaluate(position)
        return due

    def _evaluate(self, position: float) -> None:
        """Validate, at a position of the schedule that the course may have left already."""
        loss = self._mean_loss()
        self.watch.book("train")
        self._promises.check(self.course.ledger.steps)
        with self.masks.used():
            val = self._validated()
        self._finite(val or 0.0, f"{self._task.metric.name} on the validation split")
        self._evaluated = int(position * self._evaluations)
        step, done, lr = self.course.ledger.steps, self.course.clock.progress, self._rates.at(position)
        self.history.note_point(step=step, progress=done, train_loss=loss, value=val, density=self.masks.density, lr=lr)
        self._step.forget_loss()
        self.watch.book("eval")

    def _validated(self) -> float | None:
        """Return the metric on the validation split; None without one."""
        return evaluate(self.model, self._splits.val, self._task).value if self._splits.val.samples else None

    def _mean_loss(self) -> float:
        mean = self._step.mean_loss()
        self.watch.settle()  # it costs nothing: the host has just waited for the device
        return self._finite(mean, "the training loss")

    def _finite(self, value: float, what: str) -> float:
        if not math.isfinite(value):
            raise DivergedError(f"{what} is {value} at step {self.course.ledger.steps}")
        return value

    def _progress(self, *, evaluated: bool) -> dict[str, Any]:
        """Return a progress event: where the run stands, and the last evaluation."""
        last = self.history.curve[-1] if self.history.curve else None
        return {
            "event": "progress",
            "step": self.course.ledger.steps,
            "progress": self.course.clock.progress,
            "epoch": self.course.epoch[0],
            "loss": self._mean_loss() if last is None or self._step.has_loss else last["train_loss"],
            self.history.validated: last and last[self.history.validated],
            "evaluated": evaluated,
            "density": self.masks.density,
            "lr": last["lr"] if evaluated and last else self._rates.at(self.course.position),
            "samples": self.course.ledger.samples,
            "seconds": self.watch.seconds["train"] + self.watch.seconds["topology"],
        }
