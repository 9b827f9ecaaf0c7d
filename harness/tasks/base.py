"""Tasks: what a network is trained on, and what it is compared by.

A task says how outputs are compared with targets: the loss that is differentiated, the sums that are taken over a
split, and the metric that they make. `named` returns a task by its name, `of` that of a data set. Importing this module
imports no torch, since settings are composed without it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from harness.budget.inputs import Inputs
from harness.errors import unknown
from harness.records.metrics import Metric, task_of
from harness.tasks import declared

if TYPE_CHECKING:
    from torch import Tensor

    from harness.tasks.reliability.calibration import Calibration

KINDS = ("images", "values", "tokens")
"""What inputs are: bytes of pixels, which are normalised and may be augmented; float32 of any shape, which are served
as they are; or int64 from 0, which a network looks up."""

LOSS = Metric("loss", "mean loss", higher=False, digits=4)
"""The metric of a task that names none."""

_MODULES = {"classification": "harness.tasks.classification", "language": "harness.tasks.language"}
"""Where the tasks of this project are; each registers itself when it is imported."""


@dataclass(frozen=True)
class Score:
    """Result on a split.

    Attributes:
        value: Of the task's metric.
        loss: Mean loss over its samples.
        more: Further measures by name, such as ``{"top5": 0.99}``.
        right: Of a classification: which samples are classified correctly, bool, shape (samples,), on the CPU and in
            the order of the split; None unless requested.
        calibration: Of a classification: how good its probabilities are; None unless requested.
    """

    value: float
    loss: float
    more: Mapping[str, float] = field(default_factory=dict)
    right: "Tensor | None" = field(default=None, compare=False)
    calibration: "Calibration | None" = field(default=None, compare=False)

    @property
    def accuracy(self) -> float:
        """The value, of a classification."""
        return self.value


class Task:
    """A task: subclass it, say what the `loss` is, and return the arrays of a data set from `data`.

    A task without another `metric` is compared by its mean loss. One with a metric returns its sum from `tally`, under
    the metric's name.

    Attributes:
        name: The name in ``dataset.task``; that of the class unless it says otherwise.
        metric: What networks are compared by.
        kind: What inputs are, one of ``images``, ``values`` and ``tokens``.
        classes: Width of the output; None for what the targets say: one more than the largest integer, or the last
            dimension of floats.
        tokens: How many different numbers inputs of kind ``tokens`` can be; None for as many as ``classes``.
        smooths: Whether `loss` takes ``smoothing``, the setting ``recipe.label_smoothing``.
        validation: Which samples of the training set are held out: ``stratified`` by class, ``random`` ones, which the
            run's seed decides as well, or the ``last``, whatever the seed, as of a text.
        causal: Whether outputs have a place for each token of an input, and may depend on the tokens up to it alone,
            as where the next one is predicted: a model that looks ahead is refused.
    """

    name: ClassVar[str] = ""
    metric: ClassVar[Metric] = LOSS
    kind: ClassVar[str] = "values"
    classes: ClassVar[int | None] = None
    tokens: ClassVar[int | None] = None
    smooths: ClassVar[bool] = False
    validation: ClassVar[str] = "random"
    causal: ClassVar[bool] = False

    def __init_subclass__(cls, **more: Any) -> None:
        """Name a task after its class."""
        super().__init_subclass__(**more)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def data(self, folder: Any = None) -> tuple[Any, Any, Any, Any]:
        """Return training inputs and targets, test inputs and targets: arrays whose first dimension is the sample.

        Args:
            folder: Where the data lie, as a `pathlib.Path`. A method whose ``folder`` has a default gets it where
                ``dataset.root`` names one; one without a default needs it, and one without the parameter no files.

        Inputs of kind ``images`` are uint8 [samples, height, width(, channels)], of ``values`` floats of any shape, of
        ``tokens`` integers from 0. Targets are integers from 0 or floats; floats of one dimension are given a second
        one, so that they have the shape of an output.
        """
        raise NotImplementedError(f"task {self.name!r} has no data")

    def loss(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the mean loss of a batch, a scalar: what is differentiated.

        Args:
            outputs: What the network returns, float32 [batch, *`outputs`].
            targets: As `data` returns them, on the device.
        """
        raise NotImplementedError(f"task {self.name!r} has no loss")

    def tally(self, outputs: "Tensor", targets: "Tensor") -> "dict[str, Tensor]":
        """Return sums over the samples of a batch, scalars on the device, ``loss`` and the metric's name among them.

        The sums of a batch are those of its parts, added up, however it is divided. See `loss` for the arguments.
        """
        return {"loss": self.loss(outputs, targets) * len(targets)}

    def score(self, sums: Mapping[str, float], samples: int) -> Score:
        """Return the result on a split.

        Args:
            sums: Those of `tally`, added up over batches and processes.
            samples: Samples of the split.
        """
        means = {name: total / samples for name, total in sums.items()}
        more = {name: mean for name, mean in means.items() if name not in ("loss", self.metric.name)}
        return Score(means[self.metric.name], means["loss"], more)

    def outputs(self, shape: tuple[int, ...], classes: int) -> tuple[int, ...]:
        """Return the shape of what a network returns for one sample.

        Targets that are floats must have this shape, unless a task has an `outputs` of its own.

        Args:
            shape: Of an input.
            classes: Width of the output.
        """
        return (classes,)


TASKS: dict[str, Task] = {}
"""What is registered so far: tasks of this project that were used, and plug-ins."""


def register(task: type[Task]) -> type[Task]:
    """Make a task available under its name.

    Raises:
        ValueError: Another task has that name, or what it says of itself is not allowed.
        TypeError: See `harness.tasks.declared.check`, as for values.
    """
    declared.check(task, KINDS, LOSS)
    known = TASKS.get(task.name)
    built_in = _MODULES.get(task.name)
    if (known is not None and type(known) is not task) or built_in not in (None, task.__module__):
        raise ValueError(f"task {task.name!r} exists already")
    if known is None:
        TASKS[task.name] = task()
    return task


def forget(module: str) -> None:
    """Remove the tasks whose classes come from a module, before it is imported anew."""
    for name in [name for name, task in TASKS.items() if type(task).__module__ == module]:
        del TASKS[name]


def named(name: str) -> Task:
    """Return a task by its name.

    Raises:
        UsageError: There is none of that name, or its plug-in is not loaded.
    """
    if name not in TASKS and name in _MODULES:
        importlib.import_module(_MODULES[name])
    if name not in TASKS:
        raise unknown("task", name, sorted({*TASKS, *_MODULES}))
    return TASKS[name]


def is_own(task: Task) -> bool:
    """Whether a task is one of this project, and not a plug-in's."""
    return type(task).__module__ in _MODULES.values()


def of(dataset: Mapping[str, Any]) -> Task:
    """Return the task of a data set.

    Args:
        dataset: The resolved ``dataset`` group, or that of a record.

    Raises:
        UsageError: See `named`.
    """
    return named(task_of(dataset))


def kind(dataset: Mapping[str, Any]) -> str:
    """Return what the inputs of a data set are, one of `KINDS`.

    A classification is one of images if there are means and deviations to normalise them by, else of values.
    """
    found = of(dataset).kind
    return "values" if found == "images" and not dataset["mean"] else found


def inputs(dataset: Mapping[str, Any]) -> Inputs:
    """Return inputs and outputs of a network for a data set, as costs are measured with them."""
    task, shape, classes = of(dataset), tuple(dataset["shape"]), dataset["classes"]
    tokens = (task.tokens or classes) if kind(dataset) == "tokens" else None
    return Inputs(shape, tokens, task.outputs(shape, classes))
