"""Which settings are a paper's: those of the recipes in ``benchmarks/published.yaml``, with nothing changed."""

from dataclasses import replace
from functools import cache
from typing import Any

import yaml

from harness.config import ModelConfig, RunConfig
from harness.config.recipes import declared, of_method
from harness.places import TREE
from methods import methods


def holds(run: RunConfig) -> bool:
    """Tell whether a run has the settings of a paper.

    Data set, model, budget and method have to be the paper's, and neither the recipe, the width of the model, the
    layers that are masked nor the method's hyper-parameters changed.
    """
    paper = papers().get(run.recipe.name)
    if paper is None or run.dataset.name not in paper["datasets"] or run.model.name not in paper["models"]:
        return False
    if run.model != ModelConfig(run.model.name) or run.dense_layers or not _has_budget(run, paper):
        return False
    known = methods().get(run.method.name)
    if known is None or known.name not in paper["methods"] or run.recipe != declared()[run.recipe.name]:
        return False
    usual = replace(known, **of_method(run.recipe.name, known.name))
    return usual == run.method


def _has_budget(run: RunConfig, paper: dict[str, Any]) -> bool:
    budget = run.budget
    if f"{budget.kind}:{budget.amount:g}" not in paper["budgets"] or budget.stretch != 1:
        return False
    return run.method.rewinding(1 - run.sparsity) is None or budget.rounds == paper.get("rounds", "shared")


@cache
def papers() -> dict[str, Any]:
    """Return ``benchmarks/published.yaml``: of each recipe with a paper's settings, what the paper has them for."""
    found: dict[str, Any] = yaml.safe_load((TREE / "published.yaml").read_text())
    return found
