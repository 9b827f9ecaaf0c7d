"""What a method computes on the untrained network, before the first step.

A probe leaves no trace. Parameters, buffers, gradients, modes and generators are as before, and training sees the same
batches in the same order.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from harness import generators
from harness.budget.parts import Layers
from harness.budget.probe import is_one_batch
from harness.config import RunConfig
from harness.errors import UsageError, first_line
from harness.machine.oom import ran_out_of_memory
from harness.machine.precision import precision
from harness.seeds import derive
from harness.tasks import base, models
from harness.tasks.data import Batches
from harness.training.derivatives import (
    Part,
    by_layer,
    flow,
    gradient,
    gradient_and_hessian_product,
    hessian_product,
    parameters_of,
)
from harness.training.objective import Objective, objective
from harness.training.ranks import Ranks
from methods import Masks, Probe


@dataclass
class Probed:
    """What a probe found. Each list has one flat tensor of shape (n,) for each masked layer, in model order.

    Attributes:
        compute_flow: Computes the scores of one data-free pass.
        flows: Data-free passes left.
        gradients: Signed gradients of the mean training loss; None if the probe reads no data.
        hessian_gradients: The Hessian of that loss times the gradient; None if not requested.
    """

    compute_flow: Callable[[], list[Tensor]]
    flows: int
    gradients: list[Tensor] | None = None
    hessian_gradients: list[Tensor] | None = None

    def flow(self) -> list[Tensor]:
        """Return SynFlow's scores of the weights as they are now (`harness.training.derivatives.flow`).

        Raises:
            RuntimeError: The method makes more passes than it declares, which the ledger would not contain.
            UsageError: The model cannot be computed in float64, or a score is NaN or infinite.
        """
        if not self.flows:
            raise RuntimeError("the method makes more data-free passes than its probe declares (Probe.flows)")
        self.flows -= 1
        return self.compute_flow()


def probe(
    run: RunConfig, model: nn.Module, layers: Layers, batches: Batches, ranks: Ranks | None = None
) -> Probed | None:
    """Compute what a run's method requests before the first step.

    Args:
        run: Its method declares what to compute (`methods.Method.probe`).
        model: Initialised, on its device.
        layers: The masked weights.
        batches: Of the training split; the beginning of epoch 0 is read, augmented as in training.
        ranks: The processes of the run, each of which takes its part of the samples; None for this one alone.

    Returns:
        What was found; None if the method does not probe.

    Raises:
        UsageError: A class has too few samples, the model cannot be differentiated as requested, or a result is NaN,
            infinite, or 0 everywhere.
    """
    wanted = run.method.probe(1 - run.sparsity)
    if wanted is None:
        return None
    found = Probed(partial(_flow, run, model, layers), wanted.flows)
    if wanted.batches or wanted.per_class:
        parts, parameters = _parts(run, wanted, batches), parameters_of(layers)
        total = None if ranks is None else ranks.sum
        loss = partial(_loss, model, wanted.temperature, objective(run))
        products: list[Tensor] = []
        if wanted.hessian and is_one_batch(wanted, run.dataset.classes, batches.batch_size):
            with _untouched(run, model, training=True):
                (part,) = parts()
                gradients, products = gradient_and_hessian_product(loss, part, parameters, total)
        else:
            with _untouched(run, model, training=True):
                gradients = gradient(loss, parts(), parameters)
            if total is not None:
                total(gradients)
            if wanted.hessian:
                with _untouched(run, model, training=True):
                    products = hessian_product(loss, parts(), parameters, gradients)
        if total is not None and products:
            total(products)
        found.gradients = _usable(run, "gradient", by_layer(gradients, layers), layers)
        if wanted.hessian:
            found.hessian_gradients = _usable(run, "Hessian-gradient product", by_layer(products, layers), layers)
    return found


@torch.no_grad()
def redraw(run: RunConfig, model: nn.Module, masks: Masks) -> None:
    """Write the weights that training starts from once the masks are set (`methods.Method.redraws`).

    Args:
        run: Its method says which: ``"initial"`` ones or ``"other"`` ones of the same distribution.
        model: Written in place.
        masks: Of its weights; applied afterwards.

    Raises:
        ValueError: The method returns something else.
    """
    which = run.method.redraws(1 - run.sparsity)
    if which is None:
        return
    seeds = {"initial": run.seed, "other": derive(run.seed, "reinit")}
    if which not in seeds:
        raise ValueError(f"redraws returns {which!r:.80}, which is not one of {', '.join(seeds)}")
    seed = seeds[which]
    fresh = models.build(run.model.name, run.dataset.classes, run.dataset.shape, seed, **run.model.options())
    model.load_state_dict(fresh.state_dict())
    masks.reapply()


def _loss(model: nn.Module, temperature: float, of: Objective, inputs: Tensor, targets: Tensor) -> Tensor:
    with precision(inputs.device):
        outputs = model(inputs)
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32)) / temperature
        return of(outputs, targets)


def _flow(run: RunConfig, model: nn.Module, layers: Layers) -> list[Tensor]:
    with _untouched(run, model, training=False), torch.enable_grad():
        scores = flow(model, layers, base.inputs(vars(run.dataset)))
    return _usable(run, "synaptic flow", scores, layers)


def _parts(run: RunConfig, wanted: Probe, batches: Batches) -> Callable[[], Iterable[Part]]:
    """Return what gives the samples of a probe: the same ones for the gradient and for the Hessian."""
    if wanted.per_class:
        inputs, labels = _of_each_class(run, wanted.per_class, batches)
        # Pieces of at most a batch, so that a probe takes no more memory than a step, but for the second derivative.
        pieces = math.ceil(len(labels) / batches.batch_size)
        number, count = batches.share
        split = [
            (one.tensor_split(count)[number], its.tensor_split(count)[number])
            for one, its in zip(inputs.tensor_split(pieces), labels.tensor_split(pieces), strict=True)
        ]
        if not all(len(its) for _, its in split):
            raise UsageError(f"nproc={count}: method {run.method.name} probes {len(labels)} samples, too few for each")
        return lambda: ((one.to(run.device), its.to(run.device), len(its) / len(labels)) for one, its in split)
    # All of them are whole batches (`harness.budget.probe.check`), or this process's parts of these.
    return lambda: (
        (inputs, targets, len(targets) / batches.batch_size / wanted.batches)
        for inputs, targets in islice(batches.epoch(0), wanted.batches)
    )


def _of_each_class(run: RunConfig, count: int, batches: Batches) -> tuple[Tensor, Tensor]:
    """Return the first ``count`` samples of each class in the order of epoch 0, and their labels, on the CPU."""
    missing = [count] * run.dataset.classes
    found: list[tuple[Tensor, Tensor]] = []
    with batches.whole():
        for inputs, labels in batches.epoch(0):
            places = []
            for place, label in enumerate(labels.tolist()):
                if missing[label]:
                    missing[label] -= 1
                    places.append(place)
            found.append((inputs[places].cpu(), labels[places].cpu()))  # of many classes they take gigabytes
            if not any(missing):
                break
    for label, left in enumerate(missing):
        if left:
            raise UsageError(
                f"method {run.method.name} probes {count} samples of each class; the training split has "
                f"{count - left} of class {label}"
            )
    return torch.cat([inputs for inputs, _ in found]), torch.cat([labels for _, labels in found])


def _usable(run: RunConfig, what: str, tensors: list[Tensor], layers: Layers) -> list[Tensor]:
    """Return what scores are made of; of weights that are all alike only their order would be left."""
    for (name, _), tensor in zip(layers, tensors, strict=True):
        if not tensor.isfinite().all():
            raise UsageError(f"method {run.method.name}: the {what} of {name} is NaN or infinite before training")
    if not any(tensor.any() for tensor in tensors):
        raise UsageError(f"method {run.method.name}: the {what} of all weights is 0 before training")
    return tensors


@contextmanager
def _untouched(run: RunConfig, model: nn.Module, *, training: bool) -> Iterator[None]:
    """Set the mode, seed the generators and clear gradients; restore these and the buffers afterwards.

    Raises:
        UsageError: What is computed meanwhile cannot be; the message says why.
    """
    modes = {module: module.training for module in model.modules()}
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modes
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    states = generators.state_dict(run.device)
    generators.seed(derive(run.seed, "probe"))
    model.train(training)
    model.zero_grad(set_to_none=True)
    try:
        yield
    except RuntimeError as error:
        if ran_out_of_memory(error):
            raise
        why = f"its scores cannot be computed on {run.model.name} ({first_line(error)})"
        raise UsageError(f"method {run.method.name}: {why}") from error
    finally:
        for module, mode in modes.items():
            module.training = mode
        for module, name, buffer, before in buffers:
            module._buffers[name] = buffer.copy_(before)
        for parameter, old in gradients:
            parameter.grad = old
        generators.load_state_dict(states)
