"""A planned run: its identity, runner, price and existing record, each computed once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import config
from harness.config import RunConfig
from harness.containers.content import image_files
from harness.plan import comparison
from harness.plan.existing import Existing, Found
from harness.plan.price import Price, price
from harness.plan.sources import Sources, of_run
from harness.records import cell_name, identity
from harness.records.identity import Identity
from harness.runners.base import Choice
from harness.runners.choose import choose
from harness.tasks import data
from harness.tuning.apply import applied


@dataclass(frozen=True)
class Planned:
    """A run that is ready to be trained.

    Attributes:
        run: Its settings, settled (`settled`).
        identity: What tells it from every other run.
        sources: The digests of the code that trains it.
        choice: The runner that would train it.
        found: Its record, or the nearest of another run; None if there is none.
        forced: Whether it is trained from the start, whatever exists of it.
    """

    run: RunConfig
    identity: Identity
    sources: Sources
    choice: Choice
    found: Found | None
    forced: bool = False

    @property
    def key(self) -> str:
        """The run's key."""
        return self.identity.key

    @property
    def settled(self) -> bool:
        """Whether a record exists that training the run again would only repeat."""
        return self.found is not None and self.found.settles

    @property
    def done(self) -> bool:
        """Whether its record exists and is done."""
        return self.found is not None and self.settled and self.found.status == "done"

    @property
    def why_not(self) -> str | None:
        """Why it is not done, in a line; None if it is."""
        if self.done:
            return None
        if self.found is None:
            return "no record"
        return "; ".join(self.found.differences) or self.found.status

    @property
    def title(self) -> str:
        """A name for a person."""
        run = self.run
        return f"{run.method.name} {run.sparsity:.4g} on {run.dataset.name}/{run.model.name}, seed {run.seed}"

    @property
    def folder(self) -> Path:
        """Where it is trained, and resumed from."""
        return Path(self.run.output) / "runs" / self.key

    @cached_property
    def price(self) -> Price:
        """What it will cost.

        Raises:
            UsageError: It cannot be trained as configured.
        """
        found = price(self.run, self.identity.row + identity.canonical(self.identity.code))
        return replace(found, notes=(*found.notes, *comparison.notes(self.run)))

    def entry(self) -> dict[str, Any]:
        """Return the run as ``plan --json`` prints it; the names are a contract."""
        run = self.run
        return {
            "key": self.key,
            "method": run.method.name,
            "dataset": run.dataset.name,
            "model": run.model.name,
            "sparsity": run.sparsity,
            "seed": run.seed,
            "budget": vars(run.budget),
            "done": self.done,
            "why_not": self.why_not,
            **self.price.entry(),
        }


def plan(runs: Iterable[RunConfig]) -> list[Planned]:
    """Plan runs, each once: of several that are the same run the first stays.

    Args:
        runs: Checked settings.

    Raises:
        UsageError: The runner that was requested cannot take a run.
    """
    planner = _Planner()
    found: dict[str, Planned] = {}
    for run in runs:
        planned = planner(settled(run))
        found.setdefault(planned.key, planned)
    return list(found.values())


def identified(runs: Iterable[RunConfig]) -> list[Planned]:
    """Plan runs whose settings another process has settled, one by one: nothing is left to be decided here.

    Args:
        runs: Settings, as `Planned.run` has them.

    Raises:
        UsageError: The runner that was requested cannot take a run.
    """
    planner = _Planner()
    return [planner(run) for run in runs]


def settled(run: RunConfig) -> RunConfig:
    """Decide what is left to the machine: device, loader and counts of image folders, whether steps are recorded.

    What follows from the ledger is worked out too: the width or the share of the budget of a dense net for comparison.

    Raises:
        UsageError: The loader that was requested cannot serve the data set, or its folder cannot be used.
        UnfitError: See `harness.plan.comparison.solved`.
    """
    import torch

    data.check_loader(vars(run.dataset), run.loader)
    device, loader = run.device, run.loader
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if loader == "auto" and data.decoded(vars(run.dataset)):
        loader = "dali" if device == "cuda" and data.DALI else "torchvision"
    dataset = replace(run.dataset, **data.found(vars(run.dataset)))
    recordable = device == "cuda" and run.nproc == 1 and run.method.recordable
    graph = recordable if run.graph is None else run.graph
    ready = replace(run, dataset=dataset, device=device, loader=loader, graph=graph)
    return comparison.solved(applied(ready))


class _Planner:
    """Plans runs that share runners, folders of records and sources, each of which is looked at once."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, str | None, int], Choice] = {}
        self._existing: dict[str, Existing] = {}

    def __call__(self, run: RunConfig) -> Planned:
        choice, sources = self._choice(run), of_run(run)
        identities = _identities(run, sources, _environments(run, choice))
        folder = str(Path(run.output) / "records")
        if folder not in self._existing:
            self._existing[folder] = Existing(Path(folder))
        cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
        found = self._existing[folder].find(cell, identities)
        return Planned(run, identities[0], sources, choice, found)

    def _choice(self, run: RunConfig) -> Choice:
        wanted = (run.runner.name, run.runner.image or run.method.image, run.nproc if run.device == "cuda" else 1)
        if wanted not in self._choices:
            self._choices[wanted] = choose(run)
        return self._choices[wanted]


def _identities(run: RunConfig, sources: Sources, environments: list[identity.Environment]) -> list[Identity]:
    """Return the identity of a run in each environment."""
    plain = config.to_dict(run)
    fingerprint = data.fingerprint(plain["dataset"])
    found = None if fingerprint == data.ABSENT else fingerprint
    what = identity.settings(plain)
    code = sources.code(run, identity.results_version(what))
    return [Identity(what, code, found, environment) for environment in environments]


_version = cache(version)  # it reads and parses a file


def _environments(run: RunConfig, choice: Choice) -> list[identity.Environment]:
    """Return the environments whose records count as this run's, the one it would be trained in first.

    Where ``runner=auto`` finds no image to run, a record that a container of the present image made still counts: it is
    worth more than the local run that would replace it.
    """
    if choice.image is not None:
        return [identity.image_environment(choice.image.content, choice.image.base_digest)]
    here = [identity.local_environment(_version("torch"))]
    if run.runner.name == "auto":
        files = image_files(run.runner.image or run.method.image)
        here += [identity.image_environment(files.content(), base) for base in (files.base_digest(), "local")]
    return here
