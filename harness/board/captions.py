"""What is said of a table as a whole: how its runs were trained and tested, where, and what its plot shows."""

from harness.board.tables import Table
from harness.config.plain import NEWER
from harness.records.metrics import ACCURACY, Metric

_OF_TASK = ("task", "metric")  # which a table shows in its columns


def protocol(table: Table) -> str:
    """Describe how a table's runs were trained and tested."""
    recipe, data = table.task["recipe"], table.task["dataset"]
    parts = [f"Budget: {table.budget}, the same for every method."]
    if recipe.get("optimizer"):
        known = [
            str(recipe["optimizer"]),
            f"learning rate {_given(recipe.get('lr'))} ({recipe.get('lr_shape')})",
            f"weight decay {_given(recipe.get('weight_decay'))}",
            f"batch {_given(recipe.get('batch_size'))}",
        ]
        if table.metric == ACCURACY:
            known += [f"augmentation {recipe.get('augment')}", f"label smoothing {recipe.get('label_smoothing')}"]
        parts.append(f"Recipe: {', '.join(known)}.")
    if own := _own(table):
        parts.append(f"Settings of its own: {', '.join(own)}.")
    if data.get("test_examples"):
        sizes = f"{data.get('train_examples')} training examples, {data.get('val_examples')} of them for validation"
        parts.append(f"Data: {sizes}, and {data['test_examples']} test examples.")
    return " ".join(parts)


def _own(table: Table) -> list[str]:
    """Return the settings of data, model and recipe that most tables have at their default, and this one has not."""
    return [
        f"{group}.{name}={value}"
        for group in ("dataset", "model", "recipe")
        for name, usual in NEWER[group].items()
        if name not in _OF_TASK and (value := table.task[group].get(name, usual)) != usual
    ]


def _given(value: object) -> object:
    """Return a value of a recipe; one that was tuned differs from row to row, and the table does not hold it."""
    return "as tuned" if value is None else value


def torch_versions(table: Table) -> str:
    """Return the versions of torch that a table's runs were made with."""
    return ", ".join(sorted({version for row in table.rows for version in row.provenance("torch")})) or "unknown"


def made_on(table: Table) -> str:
    """Describe the hardware, torch versions and numbers of seeds behind a table."""
    machines = sorted({name for row in table.rows for name in row.usage})
    seeds = sorted({len(row.runs) for row in table.rows if row.runs})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    noun = "seed" if seeds == [1] else "seeds"
    interval = ", no interval" if seeds == [1] else ", ± half a 95 % interval"
    made = f"{', '.join(machines)}; torch {torch_versions(table)}"
    ranked = any(row.place for row in table.rows)
    ranks = " Brackets: ranks that the tests leave. Bold: no method is shown to be better." if ranked else ""
    return f"{_measured(table.metric)}, last epoch, {count} {noun}{interval}.{ranks} {made}."


def _measured(metric: Metric) -> str:
    """Say what the numbers of a table are."""
    if metric == ACCURACY:
        return "Test accuracy in %"
    return f"{metric.label} on the test set ({metric.better} is better)"


def caption(table: Table) -> list[str]:
    """Return the lines under the title of the table's plot."""
    machines = ", ".join(sorted({name for row in table.rows for name in row.usage}))
    return [
        f"Mean test {table.metric.noun} with 95 % intervals, {machines}.",
        "Ringed and joined: the Pareto front of the means; in brackets, how often a point is on it with seeds redrawn.",
        "An arrow marks a mean that lies beyond the border.",
    ]
