"""One training step: forward, backward and the optimiser's update, plain or recorded as a CUDA graph."""

from typing import Any

import torch
from torch import Tensor, nn

from harness.config import RunConfig
from harness.machine.precision import precision
from harness.tasks.data import Batches
from harness.training import beside
from harness.training.graph import RecordedStep
from harness.training.objective import objective
from harness.training.ranks import Averaging, Ranks
from harness.training.topology import Topology
from methods import Event


class Step:
    """Takes the steps of a run and sums up their losses on the device, without waiting for it.

    Args:
        run: Its recipe, and whether steps are recorded.
        model: Trained in place.
        optimizer: Of the model's parameters.
        topology: The masks, attached to the optimiser, and what the method does in each step.
        batches: Make inputs and targets of picks.
        ranks: The processes of the run, which average gradients and loss; None for this one alone.
    """

    def __init__(
        self,
        run: RunConfig,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        topology: Topology,
        batches: Batches,
        *,
        ranks: Ranks | None = None,
    ) -> None:
        self._model, self._optimizer, self._masks, self._batches = model, optimizer, topology.masks, batches
        self._trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._average = None if ranks is None else Averaging(ranks, self._trained)
        self._each_step, self._refreezes = topology.each_step, topology.refreezes
        self._clip = run.recipe.clip
        self._device = torch.device(run.device)
        self._batch_size, self._objective = run.recipe.batch_size, objective(run)
        self._recorded = RecordedStep(self._update, f"a step of {run.method.name}") if run.graph else None
        self._rate = torch.zeros((), device=self._device)
        self._loss = torch.zeros((), device=self._device)
        self._losses = 0
        self._settings = beside.plain(model)

    def __call__(self, pick: tuple[Tensor, ...], rate: float, event: Event | None) -> None:
        """Take the step of a batch.

        Args:
            pick: What the batch is made of (`Batches.picks`).
            rate: Learning rate.
            event: The topology event that follows, if any: it may need gradients, or take the update's place.
        """
        self._set_rate(rate)
        if self._recorded is not None and event is None and len(pick[0]) == self._batch_size:
            self._recorded(*pick, variant=self._masks.variant)
        else:
            self._update(*pick, event=event)
        self._losses += 1

    @property
    def has_loss(self) -> bool:
        """Whether a step was taken since the losses were last forgotten."""
        return self._losses > 0

    def mean_loss(self) -> float:
        """Return the mean loss since `forget_loss`; the one point where the host waits for the device."""
        return float(self._loss) / max(self._losses, 1)

    def forget_loss(self) -> None:
        """Begin a new mean."""
        self._loss.zero_()
        self._losses = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the sum of losses and their number, and what steps may change of the model beside its parameters."""
        changed = beside.state_dict(self._model, but=self._settings)
        return {"loss": self._loss, "loss_steps": self._losses, "beside": changed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, in place."""
        self._loss.copy_(state["loss"])
        self._losses = state["loss_steps"]
        beside.load_state_dict(self._model, state.get("beside", {}))  # older checkpoints lack it

    def _update(self, *pick: Tensor, event: Event | None = None) -> None:
        inputs, targets = self._batches.batch(*pick)
        self._optimizer.zero_grad(set_to_none=True)
        if self._masks.forward is None:
            loss = self._differentiated(inputs, targets)
        else:
            with self._masks.forward.training():
                loss = self._differentiated(inputs, targets)
        if self._average is not None:
            loss = self._average(loss, len(targets))
        if event is not None and (event.dense_gradient or event.gradient):
            self._masks.hold_gradients(dense=event.dense_gradient)
        if self._each_step is not None:
            with self._masks.reading_gradients():
                self._each_step()
        if event is None or not event.replaces_step:
            self._masks.mask_gradients()
            if self._clip is not None:
                self._shorten(self._clip)
            self._optimizer.step()
            if self._refreezes:
                self._masks.freeze()
        self._loss += loss

    def _differentiated(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a batch once its gradients are there."""
        with precision(self._device):
            loss = self._objective(self._model(inputs), targets)
        loss.backward()
        return loss.detach()

    def _shorten(self, most: float) -> None:
        """Scale the gradients so that their norm, over all that the step trains, is no more than ``most``.

        Gradients are masked by then: what a mask removes changes no weight, and so counts for nothing in the norm. In a
        run of several processes they are averaged by then. Nothing here waits for the device.
        """
        nn.utils.clip_grad_norm_(self._trained, most)

    def _set_rate(self, rate: float | Tensor) -> None:
        if self._recorded is not None:
            # A graph keeps numbers as they were when it was recorded, but reads tensors anew.
            rate = self._rate.fill_(rate)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
