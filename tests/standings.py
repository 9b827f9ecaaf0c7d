"""Declared cells and drawn accuracies, for tests of the standing."""

import random

from records import make

from harness.board import aggregate, standing
from harness.records import record_name

METHODS = ("static", "set", "rigl", "gmp")
TEMPLATES = {}


def declare(folder, tasks, sparsities=(0.9,), more=""):
    """Declare one cell of each of these data sets, on a recipe that the project has not."""
    listed = [
        f"  - {{dataset: {name}, model: convnet, recipe: drawn, device: cpu, budgets: ['epochs:10'], "
        f"sparsities: {list(sparsities)}}}\n"
        for name in tasks
    ]
    path = folder / "standing.yaml"
    path.write_text(f"version: 1\n{more}tasks:\n{''.join(listed)}")
    return standing.read(path)


def run(method, dataset, seed, accuracy, **kind):
    """A record; made once for each method, task and seed. None stands for a run that diverged."""
    kind = {"sparsity": 0.9, "runner": "docker", "status": "done" if accuracy is not None else "diverged"} | kind
    key = (method, dataset, seed, *kind.values())
    if key not in TEMPLATES:
        TEMPLATES[key] = make(method, seed=seed, dataset=dataset, recipe="drawn", accuracy=0.5, **kind)
    made = TEMPLATES[key]
    return made if accuracy is None else made | {"metrics": made["metrics"] | {"test_accuracy": accuracy}}


def records(values):
    """Records from accuracies: values[data set][method] is a list by seed."""
    return [
        run(method, dataset, seed, value)
        for dataset, methods in values.items()
        for method, seeds in methods.items()
        for seed, value in enumerate(seeds)
    ]


def stand(values, declared):
    return standing.make(aggregate.tables({record_name(each): each for each in records(values)}), declared)


def drawn(seed, tasks, methods=METHODS, seeds=3):
    draw = random.Random(seed)
    return {
        task: {name: [round(draw.uniform(0.3, 0.99), 3) for _ in range(seeds)] for name in methods} for task in tasks
    }
