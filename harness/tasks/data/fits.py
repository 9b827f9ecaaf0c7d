"""Whether settings and targets of a data set fit its task: shapes that broadcast would be compared without a word."""

from harness.errors import UsageError
from harness.tasks import base
from harness.tasks.data import checks
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config


def settings(config: Config) -> None:
    """Refuse a width of the output that is not the task's.

    Args:
        config: The resolved ``dataset`` group.

    Raises:
        UsageError: It is not.
    """
    task = base.of(config)
    if task.classes is not None and config["classes"] != task.classes:
        raise UsageError(
            f"dataset.classes={config['classes']}: the task {task.name} of {config['name']} has outputs of width "
            f"{task.classes}; allowed is {task.classes}"
        )


def targets(config: Config, found: Arrays) -> None:
    """Refuse targets that are not of the shape of an output, and ones that are no classes to hold samples out by.

    Args:
        config: The resolved ``dataset`` group.
        found: The data.

    Raises:
        UsageError: They are not.
    """
    task, given, name = base.of(config), found.train_targets, config["name"]
    if base.is_own(task):
        return
    said = f"{str(given.dtype).removeprefix('torch.')} {list(given.shape[1:])} for each sample"
    if checks.validation(config) == "stratified" and (given.is_floating_point() or given.dim() != 1):
        chosen = config.get("validation", "default")
        raise UsageError(
            f"dataset.validation={chosen}: the task {task.name} holds out samples of each class (stratified), and "
            f"targets of {name} are {said}, not one integer; allowed are random and last"
        )
    wanted = list(task.outputs(tuple(config["shape"]), config["classes"]))
    usual = type(task).outputs is base.Task.outputs
    if usual and given.is_floating_point() and list(given.shape[1:]) != wanted:
        raise UsageError(
            f"dataset.classes={config['classes']}: an output of the task {task.name} is {wanted}, and targets of "
            f"{name} are {said}; allowed are equal shapes, unless the task has a method outputs of its own"
        )
