"""Which rows and tables a standing counts: no variants, nothing made otherwise, no recipe with other values."""

import pytest
import yaml
from boards import of
from standings import declare, drawn, records, run

from harness.board import standing
from harness.places import TREE


def lines(made):
    return {line.method: line for line in made.lines}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return declare(tmp_path_factory.mktemp("two"), "ab")


def altered(record, key, **config):
    return record | {"config": record["config"] | config, "key": f"{key}{record['seed']}" + "0" * (15 - len(key))}


def test_a_failed_variant_is_not_the_methods_row_however_it_was_sorted(two):
    values = drawn(2, "ab")
    odd = {"name": "rigl", "distribution": "uniform", "interval": 7}
    variants = [altered(run("rigl", "a", seed, value), "7", method=odd) for seed, value in enumerate((0.9, 0.9, None))]
    lost = records(values | {"a": values["a"] | {"rigl": [0.5, None, None]}})
    assert standing.make(of([*lost, *variants]).tables, two).wins == standing.make(of(lost).tables, two).wins


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"image": {"content": "f" * 64, "base": "local"}}, "1 of 2 cells (seed 1 diverged)"),
        (
            {"code": {"results": "1", "method": None, "model": "f" * 64, "shared": None}},
            "1 of 2 cells (seed 1 diverged)",
        ),
        ({}, ""),
    ],
)
def test_a_row_that_failed_counts_only_if_it_was_made_as_the_others(two, part, why):
    values = drawn(2, "ab")
    values["a"]["set"][1] = None
    found = [each | part if (each["method"], each["dataset"]) == ("set", "a") else each for each in records(values)]
    assert lines(standing.make(of(found).tables, two))["set"].why == why


@pytest.mark.parametrize(("density", "placed"), [(0.1, True), (0.3, False)])
def test_a_row_of_a_pattern_that_failed_counts_only_if_it_is_sparse_enough(two, density, placed):
    values = drawn(2, "ab")
    values["a"]["set"][1] = None
    pattern = {"pattern": {"kind": "n:m", "n": 1, "m": 4}}
    found = [altered(each, "p", **pattern) if each["method"] == "set" else each for each in records(values)]
    for number, each in enumerate(found):
        if each["method"] == "set" and each["status"] == "done" and each["dataset"] == "a":
            found[number] = each | {"metrics": each["metrics"] | {"sparsity": 1 - density}}
    assert bool(lines(standing.make(of(found).tables, two))["set"].why) is not placed


def test_a_table_with_other_values_of_a_known_recipe_fills_no_cell(tmp_path):
    path = tmp_path / "standing.yaml"
    task = "{dataset: a, model: convnet, recipe: digits, device: cpu, budgets: ['epochs:10'], sparsities: [0.9]}"
    path.write_text(f"version: 1\ntasks: [{task}]\n")
    known = yaml.safe_load((TREE / "recipe" / "digits.yaml").read_text())
    own = {name: value for name, value in known.items() if name != "methods"}
    two, three = ("set", "rigl"), ("set", "rigl", "gmp")
    theirs = [run(name, "a", seed, 0.7 + seed / 100) for name in two for seed in range(3)]
    true = [altered(each, "t", recipe=own) for each in theirs]
    more = [altered(run(name, "a", seed, 0.9), "m", recipe=own | {"lr": 0.7}) for name in three for seed in range(3)]
    declared = standing.read(path)
    made = standing.make(of([*true, *more]).tables, declared)
    assert set(lines(made)) == set(two)
    assert standing.make(of(more).tables, declared) is None
