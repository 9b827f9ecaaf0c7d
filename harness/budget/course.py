"""The course of a run: what its next iteration is and costs. Training and forecasting follow the same one."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.budget import probe
from harness.budget.costs import Costs
from harness.budget.epoch import budget_samples, last_batch, steps_per_epoch
from harness.budget.kinds import Usage
from harness.budget.ledger import Ledger
from harness.budget.schedule import Schedule
from harness.budget.size import Budget
from harness.errors import UsageError
from methods import Event, Method, Moment


@dataclass(frozen=True)
class Iteration:
    """One training iteration, decided before it is taken.

    Attributes:
        usage: What it takes up without its event.
        surcharge: FLOPs that the event adds: the dense share of the weight gradient.
        moment: Where the run stands after it.
        event: The topology event that falls on it, if any.
        last: Whether the budget is spent with it.
        rewinds: Whether a rewinding round ends with it; its event then prunes and the schedule goes back.
    """

    usage: Usage
    surcharge: int
    moment: Moment
    event: Event | None
    last: bool
    rewinds: bool


class Course:
    """Method, budget and ledger of a run in step.

    The last iteration of an epoch holds the samples that remain (`harness.budget.epoch`), and counts as one like any
    other.

    Attributes:
        clock: What is spent of the budget.
        ledger: FLOPs, samples and iterations so far, the probe included.
        probe: What the method computes before the first step; booked from the start.
        round: Rewinding rounds begun.
        per_epoch: Iterations of an epoch.
    """

    def __init__(
        self,
        method: Method,
        target: float,
        budget: Budget,
        costs: Costs,
        *,
        train_samples: int,
        batch_size: int,
    ) -> None:
        """Stand at the start.

        Args:
            method: Its events and rounds.
            target: Density at the end.
            budget: What the run may spend.
            costs: Dense costs of its model.
            train_samples: Images in the training split.
            batch_size: Images of an iteration.

        Raises:
            UsageError: What the method computes before the first step leaves no budget for a step.
        """
        self._method = method
        self._train_samples, self._batch_size = train_samples, batch_size
        self.per_epoch = steps_per_epoch(train_samples, batch_size)
        self._last_batch = last_batch(train_samples, batch_size)
        self._schedule = Schedule(method.rewinding(target))
        self.clock = budget.clock()
        self.ledger = Ledger(costs)
        self.round = 0
        self._reached = 0.0  # position after the last iteration, as its moment said
        self.probe = probe.usage(
            method.probe(target) if target < 1 else None, costs, train_samples=train_samples, batch_size=batch_size
        )
        self._book(self.probe)
        if self.clock.spent:
            self._require_room(costs, min(batch_size, train_samples))

    @property
    def position(self) -> float:
        """Schedule position, 0...1, which the learning rate follows."""
        round_, position = self._schedule.locate(self.clock.schedules())
        # Seconds pass between iterations: a round whose time is over ends with the next one.
        return position if round_ == self.round else 1.0

    @property
    def epoch(self) -> tuple[int, int]:
        """The current epoch and how many of its batches are done."""
        return divmod(self.ledger.steps, self.per_epoch)

    def next(self, active: Sequence[int], gradient: Sequence[int] | None = None) -> Iteration:
        """Decide the next iteration; nothing is booked yet.

        Args:
            active: Active weights of each layer.
            gradient: Weights of each layer whose gradient is computed; None for the active ones.
        """
        step = self.ledger.steps + 1
        samples = self._batch_size if step % self.per_epoch else self._last_batch
        flops = self.ledger.price(active, samples, gradient=gradient)
        usage = Usage(1, samples, flops)
        progress = self.clock.after(usage)
        round_, position = self._schedule.locate(self.clock.schedules(usage))
        rewinds = round_ > self.round and progress < 1
        # The position that ends a round is the end of training; the next iteration begins where it went back to.
        moment = Moment(step, 1.0 if rewinds else position, self._reached, self.clock.total_steps, round_)
        event, surcharge = None, 0
        if progress < 1 and (rewinds or self._may_fall(moment)):
            event = self._method.event(moment)
            if event is not None and event.dense_gradient:
                surcharge = self.ledger.price(active, samples, dense_gradient=True) - flops
                # Nothing would train what an event on the last iteration grows.
                if self.clock.after(Usage(1, samples, flops + surcharge)) >= 1:
                    event, surcharge = None, 0
        return Iteration(usage, surcharge, moment, event, progress >= 1, rewinds)

    def take(self, iteration: Iteration) -> bool:
        """Book an iteration once it is computed; return whether its event takes place.

        It does not where a budget of seconds ran out in the meantime, since this was the last iteration then.
        """
        falls = iteration.event is not None and not self.clock.done
        usage = iteration.usage
        if falls:
            usage = usage._replace(flops=usage.flops + iteration.surcharge)
        self._book(usage)
        self._reached = iteration.moment.position
        if iteration.rewinds:
            self.round = iteration.moment.round
            self._reached = self.position
        return falls

    def require_step(self) -> None:
        """Require that time is left for a step once the method has begun, which only the machine can tell.

        Raises:
            UsageError: None is.
        """
        if self.clock.done:
            spent = f"{self._method.name} takes {self.clock.spent:.3g} {self.clock.kind.unit} before the first step"
            raise UsageError(f"the budget is too small: {spent}, which leaves none for it")

    def elapse(self, seconds: float) -> None:
        """Let time pass in training or in a topology event."""
        self.clock.charge(Usage(seconds=seconds))

    def skip(self, active: Sequence[int], steps: int, gradient: Sequence[int] | None = None) -> bool:
        """Book ``steps`` iterations at once if nothing happens in them; return whether they were booked.

        Nothing happens if none is on the interval, no mark and no round's end is crossed, and budget is left. See
        `next` for the counts.
        """
        upto = budget_samples(self.ledger.steps + steps, self._train_samples, self._batch_size)
        samples = upto - (self.ledger.samples - self.probe.samples)
        usage = Usage(steps, samples, self.ledger.price(active, samples, gradient=gradient))
        progress = self.clock.after(usage)
        round_, position = self._schedule.locate(self.clock.schedules(usage))
        crossed = any(self._reached < mark <= position for mark in self._method.marks())
        interval = self._method.interval
        on_interval = interval and self.ledger.steps // interval != (self.ledger.steps + steps) // interval
        if progress >= 1 or round_ > self.round or crossed or on_interval:
            return False
        self._book(usage)
        self._reached = position
        return True

    def state_dict(self) -> dict[str, float]:
        """Return everything needed to resume from here."""
        ledger = self.ledger
        return {
            "spent": self.clock.spent,
            "steps": ledger.steps,
            "samples": ledger.samples,
            "flops": ledger.flops,
            "round": self.round,
            "reached": self._reached,
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore what `state_dict` returned."""
        self.clock.spent = state["spent"]
        self.ledger.steps, self.ledger.samples = int(state["steps"]), int(state["samples"])
        self.ledger.flops = int(state["flops"])
        self.round, self._reached = int(state["round"]), state["reached"]

    def _book(self, usage: Usage) -> None:
        self.ledger.charge(usage)
        self.clock.charge(usage)

    def _require_room(self, costs: Costs, samples: int) -> None:
        dense = costs.training([layer.weights for layer in costs.layers])
        kind, clock = self.clock.kind, self.clock
        if clock.spent + kind.spends(Usage(1, samples, dense * samples)) > clock.schedule:
            raise UsageError(
                f"the budget of {clock.schedule:.4g} {kind.unit} is too small: {self._method.name} spends "
                f"{clock.spent:.4g} before the first step, which leaves less than one training step"
            )

    def _may_fall(self, moment: Moment) -> bool:
        interval = self._method.interval
        if interval and moment.step % interval == 0:
            return True
        return any(moment.previous < mark <= moment.position for mark in self._method.marks())
