"""A run's method at work: what it asks for before the first step, in steps, at events and after the last step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from harness.budget.course import Iteration
from harness.budget.gradient import gradient_counts, require_counts
from harness.config import RunConfig
from harness.errors import UsageError
from harness.seeds import derive
from harness.tasks.data import Batches
from harness.training import probing
from harness.training.fan_in import scale_by_fan_in
from harness.training.history import History
from harness.training.prepare import Prepared
from harness.training.ranks import Ranks
from methods import Event, Masks
from methods.base import overrides


class Topology:
    """Calls the hooks of a method and notes the masks that they leave.

    Attributes:
        masks: Of the run's masked weights.
        begun: Whether the initial masks are set.
        probes: Whether the method computes something on the untrained network.
        each_step: What the method does in every step; None for nothing.
        refreezes: Whether the optimiser's weight decay reaches weights that are not trained, and has to be undone.
    """

    def __init__(
        self,
        run: RunConfig,
        task: Prepared,
        optimizer: torch.optim.Optimizer,
        history: History,
        ranks: Ranks | None = None,
    ) -> None:
        """Make the masks, dense at first.

        Args:
            run: Its method.
            task: Its masked weights.
            optimizer: Of the model's parameters; what the method learns besides is added to it.
            history: Where topology is noted.
            ranks: The processes of the run, whose masks have to agree; None for this one alone.

        Raises:
            UsageError: Steps are to be recorded, and those of the method cannot be.
        """
        self._run, self._method, self._target = run, run.method, 1 - run.sparsity
        self._layers, self._history, self._ranks = task.layers, history, ranks
        generator = torch.Generator().manual_seed(derive(run.seed, "masks"))
        self.masks = Masks(task.layers, generator, task.costs.shapes)
        self.masks.attach(optimizer)
        self.masks.weight_decay = run.recipe.weight_decay
        if self._has("learned") and (learned := self._method.learned(self.masks)) is not None:
            self.masks.learn(learned)
        if self._has("forward_weight"):
            self.masks.use(lambda weight, mask, layer: self._method.forward_weight(weight, mask, layer, self.masks))
        self.begun = False
        self.probes = self._has("probe") and self._method.probe(self._target) is not None
        self.each_step: Callable[[], None] | None = None
        if self._has("each_step"):
            self.masks.keep_storage()
            self.each_step = lambda: self._method.each_step(self.masks)
        decays = run.recipe.weight_decay > 0 and not self._method.own_decay
        self.refreezes = decays and self.masks.forward is not None
        if run.graph and not self._method.recordable and (self.each_step or self.masks.forward):
            raise UsageError(f"graph=true cannot record the steps of {self._method.name}: set graph=false")

    def start(self, model: nn.Module, batches: Batches) -> None:
        """Set the initial masks.

        Args:
            model: Untrained, on its device.
            batches: Of the training split, for a probe.
        """
        if self.probes:
            self.masks.probed = probing.probe(self._run, model, self._layers, batches, self._ranks)
        self._method.start(self.masks, self._target)
        self.masks.probed = None
        if self._has("redraws"):
            probing.redraw(self._run, model, self.masks)
        if self._run.model.init_fan == "mask":
            scale_by_fan_in(self._layers, self.masks)
        self.masks.begin()
        self.begun = True
        self.charge()
        self.note(0)

    def resume(self) -> None:
        """Take note that the masks were restored from a checkpoint."""
        self.begun = True
        self.charge()

    def update(self, iteration: Iteration) -> None:
        """Let the method change the masks at the event of an iteration."""
        self._method.update(self.masks, iteration.moment, self._target)
        self.masks.release_gradients()
        self.require_agreement(iteration.moment.step)
        self.charge()

    def require_agreement(self, step: int) -> None:
        """Require that all processes of the run have the same masks after ``step`` steps.

        Raises:
            UnequalRanksError: They have not.
        """
        if self._ranks is not None:
            self._ranks.require_equal(self.masks, step)

    def finish(self, step: int) -> None:
        """Set the last masks, after ``step`` steps; from now on the network is as it is published."""
        if self._has("finish"):
            self._method.finish(self.masks, self._target)
        self.masks.finish()
        self.charge()
        last = self._history.topology[-1]
        if self.masks.active != last["active"]:
            if last["step"] == step:  # time ran out in an event
                self._history.topology.pop()
            self.note(step)

    def note(self, step: int, event: Event | None = None) -> None:
        """Note the masks that an event left; None at the start and at the end."""
        masks, dense_gradient = self.masks, event is not None and event.dense_gradient
        self._history.note_topology(step, masks.active, dense_gradient=dense_gradient, gradient=masks.charged)

    def say_empty(self, emit: Callable[[dict[str, Any]], None]) -> None:
        """Say which layers the last event left without a weight."""
        if layers := self._history.emptied():
            named, step = ", ".join(self.masks.names[layer] for layer in layers), self._history.topology[-1]["step"]
            emit({"event": "log", "text": f"step {step}: no weight is left in {named}"})

    def charge(self) -> None:
        """Work out the gradients that steps compute from now on, which the ledger charges.

        Raises:
            ValueError: See `harness.budget.gradient.gradient_counts`.
        """
        masks = self.masks
        counts = gradient_counts(
            self._method, masks.shapes, masks.active, self._target, names=masks.names, trained=masks.trained
        )
        if counts is None and masks.forward is not None:
            require_counts(masks.active, masks.trained, masks.shapes, masks.names)
        masks.charge(None if counts == masks.active else counts)

    def _has(self, hook: str) -> bool:
        """Return whether the method has its own version of a hook and is not asked for a dense network."""
        return self._target < 1 and overrides(self._method, hook)
