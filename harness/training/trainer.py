"""Training: the one loop that every method runs in."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.budget.course import Iteration
from harness.config.compose import RunConfig
from harness.seeds import derive
from harness.tasks.vision.data import Data
from harness.tasks.vision.score import evaluate, precision
from harness.training import optimizers, snapshot
from harness.training.graph import RecordedStep
from harness.training.learning_rate import learning_rate
from harness.training.prepare import Task
from methods import Event, Masks

LOG_SECONDS = 0.5

Emit = Callable[[dict[str, Any]], None]


class DivergedError(Exception):
    """The training loss is no number any more."""


class Trainer:
    """A run under way. All of its state is reachable from here: `state_dict` and `load_state_dict`.

    Attributes:
        curve: One point an evaluation, as in the record.
        topology: Active weights of each layer at the start and after each event, as in the record.
        rounds: One entry a rewinding round, as in the record.
        seconds: Time by what it was spent on.
    """

    def __init__(self, run: RunConfig, task: Task, splits: Data) -> None:
        """Put the model on its device, draw the masks.

        Args:
            run: What to train.
            task: Made from it by `harness.training.prepare.prepare`; its model is trained in place.
            splits: The data set.
        """
        self._run, self._splits = run, splits
        self._device = torch.device(run.device)
        torch.manual_seed(derive(run.seed, "train"))
        self.model = task.model.to(self._device)
        if self._device.type == "cuda":
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimizers.build(self.model, run.recipe, recorded=bool(run.graph))
        self._recorded = RecordedStep(self._update) if run.graph else None
        self._rate = torch.zeros((), device=self._device)
        generator = torch.Generator().manual_seed(derive(run.seed, "masks"))
        self.masks = Masks(task.layers, generator)
        self.masks.attach(self.optimizer)
        self.course = task.course(run)
        self._target = 1 - run.sparsity
        self._rewinding = run.method.rewinding(self._target)
        self._evaluations = run.evaluations
        if self._rewinding and run.budget.rounds == "shared":
            self._evaluations = math.ceil(run.evaluations / (self._rewinding.rounds + 1))
        self._snapshot: snapshot.Snapshot | None = None
        self.curve: list[dict[str, Any]] = []
        self.topology: list[dict[str, Any]] = []
        self.rounds: list[dict[str, Any]] = []
        self.seconds = {"train": 0.0, "eval": 0.0, "topology": 0.0}
        self._loss = torch.zeros((), device=self._device)
        self._loss_steps = 0
        self._evaluated = 0
        self._violations: list[str] = []
        self._picks: Iterator[tuple[Tensor, ...]] = iter(())
        self._epoch: int | None = None
        self._lap = time.perf_counter()
        run.method.start(self.masks, self._target)
        self._note_topology(dense_gradient=False)

    def train(
        self,
        emit: Emit,
        checkpoint: Callable[[], None],
        stop: Callable[[], bool],
        before_last: Callable[[], None] | None = None,
    ) -> bool:
        """Train until the budget is spent.

        Args:
            emit: Takes progress events.
            checkpoint: Called between iterations every ``checkpoint_seconds``.
            stop: Asked between iterations whether to stop early.
            before_last: Called before the last iteration; under a budget of seconds none is known to be the last.

        Returns:
            Whether the budget is spent; False if it was told to stop.

        Raises:
            DivergedError: The loss became NaN or infinite.
        """
        self.model.train()
        self._begin_lap()
        logged = saved = time.monotonic()
        self._snapshot_if_due()
        while not self.course.clock.done:
            if stop():
                return False
            iteration = self.course.next(self.masks.active)
            if iteration.last and before_last is not None:
                before_last()
                self._begin_lap()
            falls = self._step(iteration)
            self._snapshot_if_due()
            if falls:
                self._change_topology(iteration)
            over = self.course.clock.done
            position = 1.0 if over else self.course.position
            # The end of a round is evaluated where it is pruned.
            if (over or position < 1) and position * self._evaluations >= self._evaluated + 1:
                self._evaluate(position)
                emit(self._progress(self.curve[-1]["val_accuracy"]))
                logged = time.monotonic()
            now = time.monotonic()
            if now - logged > LOG_SECONDS:
                emit(self._progress(None))
                logged = now
            if self._run.checkpoint_seconds and now - saved > self._run.checkpoint_seconds:
                checkpoint()
                saved = time.monotonic()
                self._begin_lap()
        if self._rewinding:
            self._note_round()
        return True

    def final_violations(self) -> list[str]:
        """Return what the harness holds against the run at its end (DESIGN.md, idea 4); nothing if all is well."""
        asked = round(self._target * self.masks.maskable)
        active = sum(self.masks.counted())
        self._check_masks()
        found = list(self._violations)
        if abs(active - asked) > 1:
            found.append(f"{active:,} active weights where {asked:,} were asked")
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to go on from here, bit for bit on the same machine."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "masks": self.masks.state_dict(),
            "course": self.course.state_dict(),
            "snapshot": self._snapshot,
            "curve": self.curve,
            "topology": self.topology,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "loss": self._loss,
            "loss_steps": self._loss_steps,
            "evaluated": self._evaluated,
            "violations": self._violations,
            "random": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave; model and masks keep their storage."""
        self.model.load_state_dict(state["model"])
        groups = {"param_groups": self.optimizer.state_dict()["param_groups"]}  # as this machine wants them
        self.optimizer.load_state_dict(state["optimizer"] | groups)
        self.masks.load_state_dict(state["masks"])
        self.course.load_state_dict(state["course"])
        self._snapshot = state["snapshot"]
        self.curve, self.topology, self.rounds = state["curve"], state["topology"], state["rounds"]
        self.seconds = state["seconds"]
        total = self.course.clock.total_steps
        if total is not None:  # the state may be of a run that this one goes on from, with a smaller budget
            for point in self.curve:
                point["progress"] = point["step"] / total
        self._loss.copy_(state["loss"])
        self._loss_steps, self._evaluated = state["loss_steps"], state["evaluated"]
        self._violations = state["violations"]
        self._epoch = None
        torch.set_rng_state(state["random"].cpu())

    def _step(self, iteration: Iteration) -> bool:
        """Take an iteration; return whether its event falls."""
        pick = self._next_pick()
        self._set_learning_rate()
        ordinary = iteration.event is None and len(pick[0]) == self._run.recipe.batch_size
        if self._recorded is not None and ordinary:
            self._recorded(*pick, variant=self.masks.sparse_layers)
        else:
            self._update(*pick, event=iteration.event)
        self._loss_steps += 1
        self._book_lap("train")
        return self.course.take(iteration)

    def _update(self, *pick: Tensor, event: Event | None = None) -> None:
        """Take the optimiser step of a batch, unless the event takes its place; the loss stays on the device."""
        images, labels = self._splits.train.batch(*pick)
        self.optimizer.zero_grad(set_to_none=True)
        with precision(self._device):
            loss = F.cross_entropy(self.model(images), labels, label_smoothing=self._run.recipe.label_smoothing)
        loss.backward()
        if event is not None and event.dense_gradient:
            self.masks.hold_gradients()
        if event is None or not event.replaces_step:
            self.masks.mask_gradients()
            self.optimizer.step()
        self._loss += loss.detach()

    def _change_topology(self, iteration: Iteration) -> None:
        event = iteration.event
        assert event is not None
        if iteration.rewinds:
            self._evaluate(1.0)
            self._note_round()
            self._evaluated = int(self.course.position * self._evaluations)
        self._run.method.update(self.masks, iteration.moment, self._target)
        self.masks.release_gradients()
        if iteration.rewinds and self._snapshot is not None:
            snapshot.restore(self._snapshot, self.model, self.optimizer)
            self.masks.reapply()
        self._note_topology(dense_gradient=event.dense_gradient)
        self._book_lap("topology")

    def _next_pick(self) -> tuple[Tensor, ...]:
        epoch, done = self.course.epoch
        if epoch != self._epoch:
            self._epoch = epoch
            self._picks = self._splits.train.picks(epoch, start=done)
        return next(self._picks)

    def _set_learning_rate(self) -> None:
        rate: float | Tensor = self._learning_rate(self.course.position)
        if self._recorded is not None:
            # A graph keeps numbers as they were when it was recorded, but reads tensors anew.
            rate = self._rate.fill_(rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _learning_rate(self, position: float) -> float:
        recipe = self._run.recipe
        return learning_rate(
            position,
            recipe.lr,
            recipe.lr_shape,
            warmup=recipe.warmup_epochs / recipe.epochs,
            milestones=recipe.milestones,
            gamma=recipe.gamma,
        )

    def _snapshot_if_due(self) -> None:
        """Keep the state at the rewind point of the first training, once."""
        again = self._rewinding
        if again is None or not again.weights or self._snapshot is not None:
            return
        if self.course.round == 0 and self.course.position >= again.position:
            self._snapshot = snapshot.take(self.model, self.optimizer)

    def _evaluate(self, position: float) -> None:
        """Validate, at a position of the schedule that the course may have left already."""
        loss = self._mean_loss()
        self._book_lap("train")
        self._check_masks()
        score = evaluate(self.model, self._splits.val)
        self._evaluated = int(position * self._evaluations)
        self.curve.append(
            {
                "step": self.course.ledger.steps,
                "progress": self.course.clock.progress,
                "train_loss": loss,
                "val_accuracy": score.accuracy,
                "density": self.masks.density,
                "lr": self._learning_rate(position),
            }
        )
        self._loss.zero_()
        self._loss_steps = 0
        self._book_lap("eval")

    def _check_masks(self) -> None:
        """Count what the masks keep and what escaped them, rather than believe it; the first finding stays."""
        if self._violations:
            return
        step, outside = self.course.ledger.steps, self.masks.outside()
        if self.masks.counted() != self.masks.active:
            self._violations.append(f"at step {step} the masks keep other numbers of weights than were booked")
        if outside:
            self._violations.append(
                f"at step {step} {outside:,} weights or optimiser entries are not zero outside the masks"
            )

    def _mean_loss(self) -> float:
        """Mean training loss since the last evaluation; the one point where the host waits for the device."""
        mean = float(self._loss) / max(self._loss_steps, 1)
        if not math.isfinite(mean):
            raise DivergedError(f"the training loss is {mean} at step {self.course.ledger.steps}")
        return mean

    def _note_topology(self, *, dense_gradient: bool) -> None:
        self.topology.append(
            {
                "step": self.course.ledger.steps,
                "active": list(self.masks.active),
                "dense_gradient": dense_gradient,
            }
        )

    def _note_round(self) -> None:
        """Write down how a training ended; it was evaluated just now."""
        end = self.curve[-1]
        self.rounds.append(
            {"round": len(self.rounds), **{name: end[name] for name in ("step", "density", "val_accuracy")}}
        )

    def _progress(self, val_accuracy: float | None) -> dict[str, Any]:
        known = [point["val_accuracy"] for point in self.curve[-1:]]
        ledger = self.course.ledger
        return {
            "event": "progress",
            "step": ledger.steps,
            "progress": self.course.clock.progress,
            "epoch": self.course.epoch[0],
            "loss": self._mean_loss() if self._loss_steps else (self.curve[-1]["train_loss"]),
            "val_accuracy": known[0] if known else None,
            "evaluated": val_accuracy is not None,
            "density": self.masks.density,
            "samples": ledger.samples,
            "seconds": self.seconds["train"] + self.seconds["topology"],
        }

    def _begin_lap(self) -> None:
        self._lap = time.perf_counter()

    def _book_lap(self, what: str) -> None:
        now = time.perf_counter()
        self.seconds[what] += now - self._lap
        if what != "eval":
            self.course.elapse(now - self._lap)
        self._lap = now
