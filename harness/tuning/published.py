"""Which settings are a paper's: those of the recipes in ``benchmarks/published.yaml``, with nothing changed."""

from dataclasses import replace
from functools import cache
from typing import Any

import yaml

from harness.config import RecipeConfig, RunConfig
from harness.places import TREE
from methods import methods


def holds(run: RunConfig) -> bool:
    """Tell whether a run has the settings of a paper.

    Data set, model and budget have to be the paper's, and neither the recipe nor the method's hyper-parameters changed.
    """
    paper = _papers().get(run.recipe.name)
    if paper is None or run.dataset.name not in paper["datasets"] or run.model.name not in paper["models"]:
        return False
    budget = run.budget
    if f"{budget.kind}:{budget.amount:g}" not in paper["budgets"] or budget.stretch != 1:
        return False
    recipe = _recipe(run.recipe.name)
    known = methods().get(run.method.name)
    if known is None or run.recipe != recipe:
        return False
    usual = replace(known, **(recipe.methods.get(run.method.name) or {}))
    return usual == run.method


@cache
def _papers() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((TREE / "published.yaml").read_text())
    return found


@cache
def _recipe(name: str) -> RecipeConfig:
    return RecipeConfig(**yaml.safe_load((TREE / "recipe" / f"{name}.yaml").read_text()))
