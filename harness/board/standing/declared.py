"""The cells that a standing is over. A file declares them, so that no record adds or removes one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.board.tables import Table, in_words
from harness.errors import UsageError
from harness.places import TREE
from harness.records.ruleset import PUBLISHED, TUNED
from harness.vocabulary import BUDGET_ROUNDS

NAME = "standing.yaml"
"""The file: next to the folder of records for a board of its own tasks, else the project's."""

_TASK = ("dataset", "model", "recipe", "device", "budgets", "sparsities")
_BUDGET = re.compile(r"([a-z][a-z0-9_]*):(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?( each)?")


class Budget(NamedTuple):
    """A budget, as a table has it."""

    kind: str
    amount: float
    stretch: float
    rounds: str


class Cell(NamedTuple):
    """One task under one budget at one sparsity.

    Attributes:
        task: Number of its task.
        weight: Its share of the standing; the weights of all cells sum to 1.
    """

    task: int
    dataset: str
    model: str
    recipe: str
    device: str
    budget: Budget
    sparsity: float
    weight: float
    ruleset: str

    def fits(self, table: Table) -> bool:
        """Tell whether a table is of this cell's task, budget and ruleset, whatever its recipe's values."""
        named = (table.dataset, table.model, str(table.task["recipe"].get("name")), table.device, table.ruleset)
        length = (table.kind, table.amount, table.stretch, table.rounds)
        return named == (self.dataset, self.model, self.recipe, self.device, self.ruleset) and length == self.budget

    def __str__(self) -> str:
        """Name the cell in words."""
        budget = in_words(self.budget._asdict())
        return f"{self.dataset} · {self.model} · recipe {self.recipe} · {budget} · {self.device} at {self.sparsity:g}"


@dataclass(frozen=True)
class Declared:
    """A list of cells.

    Attributes:
        version: Number of the list.
        ruleset: The ruleset whose tables count.
        tasks: How many tasks it has.
        cells: All cells, task by task.
    """

    version: int
    ruleset: str
    tasks: int
    cells: tuple[Cell, ...]


def path(records_dir: Path | str) -> Path:
    """Return the file that declares the cells for a folder of records."""
    own = Path(records_dir).parent / NAME
    return own if own.is_file() else TREE / NAME


def read(path: Path) -> Declared:
    """Read a list of cells.

    Raises:
        UsageError: It is not such a list; the message names the file, the value and what is allowed.
    """
    import yaml

    try:
        return _declared(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read {path}: {' '.join(str(error).split())}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _declared(value: Any) -> Declared:
    _keys(value, ("version", "tasks"), "the file", optional=("ruleset",))
    ruleset = value.get("ruleset", PUBLISHED)
    if ruleset not in (PUBLISHED, TUNED):
        raise ValueError(f"ruleset {ruleset!r} is not one of {PUBLISHED!r} and {TUNED!r}")
    if type(value["version"]) is not int or value["version"] < 1:
        raise ValueError(f"version {value['version']!r} is not a whole number from 1")
    tasks = value["tasks"]
    if not isinstance(tasks, list) or not tasks:
        raise ValueError(f"tasks {tasks!r} is not a list of tasks")
    cells = [cell for number, task in enumerate(tasks) for cell in _cells(number, task, len(tasks), ruleset)]
    places = [cell._replace(task=0, weight=0.0) for cell in cells]
    if twice := next((cell for cell in places if places.count(cell) > 1), None):
        raise ValueError(f"{twice} is declared twice")
    names = [(task["dataset"], task["model"], task["recipe"], task["device"]) for task in tasks]
    if same := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{' · '.join(same)} is declared as two tasks; list its budgets and sparsities in one")
    return Declared(value["version"], ruleset, len(tasks), tuple(cells))


def _keys(value: Any, needed: tuple[str, ...], what: str, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(value, dict) or set(value) - set(optional) != set(needed):
        found = ", ".join(map(str, value)) if isinstance(value, dict) else repr(value)
        allowed = ", ".join(needed) + "".join(f", {name} (optional)" for name in optional)
        raise ValueError(f"{what} has {found or 'nothing'}; it needs {allowed}")


def _cells(number: int, task: Any, tasks: int, ruleset: str) -> Iterator[Cell]:
    _keys(task, _TASK, f"task {number + 1}")
    for name in _TASK[:4]:
        if not isinstance(task[name], str):
            raise ValueError(f"{name} {task[name]!r} of task {number + 1} is not a name")
    budgets, sparsities = task["budgets"], task["sparsities"]
    if not isinstance(budgets, list) or not budgets:
        raise ValueError(f"budgets {budgets!r} of task {number + 1} is not a list such as [epochs:160, flops:0.5]")
    if not isinstance(sparsities, list) or not sparsities:
        raise ValueError(f"sparsities {sparsities!r} of task {number + 1} is not a list such as [0.9, 0.95]")
    weight = 1 / (tasks * len(budgets) * len(sparsities))
    for budget in budgets:
        for sparsity in sparsities:
            if not isinstance(sparsity, float) or not 0 < sparsity < 1:
                raise ValueError(f"sparsity {sparsity!r} of task {number + 1} is not between 0 and 1")
            named = (task["dataset"], task["model"], task["recipe"], task["device"])
            yield Cell(number, *named, _budget(budget), round(sparsity, 9), weight, ruleset)


def _budget(text: Any) -> Budget:
    found = _BUDGET.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"budget {text!r} is not like epochs:160, epochs:160x5 or 'epochs:182 each'")
    kind, amount, stretch, rounds = found.groups()
    return Budget(kind, float(amount), float(stretch or 1), BUDGET_ROUNDS[1] if rounds else BUDGET_ROUNDS[0])
