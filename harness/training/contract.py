"""What a run's task and model must keep to, looked at before it trains: on samples and its initial network."""

import torch
from torch import nn

from harness.config import RunConfig
from harness.tasks import base, contract, data
from harness.tasks.score import answers, evaluating
from harness.training.architecture import Architecture
from harness.training.objective import objective

_SAMPLES = 8
_known: set[tuple[object, ...]] = set()


def require(run: RunConfig, model: nn.Module) -> None:
    """Check the task of a run, where it is a plug-in's, and that its model does not look ahead; once for each.

    Args:
        run: Its data must be here, unless its task is one of this project.
        model: Its initial network, on the CPU, whose weights may be changed.

    Raises:
        UsageError: See `harness.tasks.contract`.
    """
    task, architecture = base.of(vars(run.dataset)), Architecture.of(run)
    own = base.is_own(task)
    content = None if own else (data.fingerprint(vars(run.dataset)), run.recipe.label_smoothing)
    known = (architecture, task.name, content)
    if known in _known:
        return
    if not own:
        _require_task(run, task, model)
    if task.causal:
        require_causal(run, model)
    _known.add(known)


def require_causal(run: RunConfig, model: nn.Module) -> None:
    """Check that a model does not look ahead; see `harness.tasks.contract.require_causal`."""
    task, inputs = base.of(vars(run.dataset)), base.inputs(vars(run.dataset))
    assert inputs.tokens is not None
    contract.require_causal(run.model.name, model, inputs.noise(2), inputs.tokens, task.name)


def _require_task(run: RunConfig, task: base.Task, model: nn.Module) -> None:
    found = data.load(vars(run.dataset), batch_size=run.recipe.batch_size, seed=run.seed)
    inputs, targets = (part[:_SAMPLES] for part in next(found.train.epoch(0)))
    with evaluating(model), torch.random.fork_rng(devices=[]):
        outputs = answers(model, inputs)
    with torch.random.fork_rng(devices=[]):
        contract.check(task, objective(run), outputs, targets)
