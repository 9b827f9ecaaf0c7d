"""Changes of results: which runs each version of the project's own code affects (`harness.records.identity`)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Settings = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A change of results.

    Attributes:
        version: The results version it made.
        what: One line for a person.
        affects: Whether the result of a run with these settings changed.
    """

    version: str
    what: str
    affects: Callable[[Settings], bool]


def _affected_by_2(settings: Settings) -> bool:
    method, recipe = settings["method"], settings["recipe"]
    return bool(
        settings.get("device") == "cuda"
        or recipe.get("warmup_epochs")
        or _joins_a_rest(settings["dataset"], recipe.get("batch_size"))
        or method.get("distribution") == "uniform"
        or method.get("name") == "gmp_uniform"
        or ("rewind_to" in method and recipe.get("lr_shape") == "step")
    )


def _affected_by_3(settings: Settings) -> bool:
    method, density = settings["method"], 1 - settings["sparsity"]
    share = method.get("share") if "rewind_to" in method else 0
    if not share or not 1e-9 < share < 1 or not 0 < density < 1:
        return False
    rounds = math.log(density) / math.log1p(-share)
    whole = round(rounds)
    return whole > 0 and 0.01 < rounds - whole <= 0.2 and abs((1 - share) ** whole - density) <= 0.0005


def _affected_by_4(settings: Settings) -> bool:
    recipe = settings["recipe"]
    sparse_top_kast = settings["method"].get("name") == "top_kast" and settings["sparsity"] > 0
    return bool(sparse_top_kast and recipe.get("optimizer") == "adamw" and recipe.get("weight_decay"))


def _joins_a_rest(dataset: Settings, batch_size: int | None) -> bool:
    """Say whether the samples left at the end of an epoch join the batch before (`harness.budget.epoch`)."""
    samples = (dataset.get("train_examples") or 0) - (dataset.get("val_examples") or 0)
    whole, rest = divmod(max(samples, 0), batch_size or 1)
    return whole > 0 and rest > 0 and (rest == 1 or 8 * rest < (batch_size or 1))


HISTORY = (
    Change(
        "2",
        "warm-up counts the coming step; uniform densities and learning-rate drops of rewinding rounds are exact; "
        "a small rest of an epoch joins the batch before it; CUDA kernels are deterministic",
        _affected_by_2,
    ),
    Change(
        "3",
        "a sparsity that whole rounds of a rewinding method's share reach to three decimals takes no further round",
        _affected_by_3,
    ),
    Change(
        "4",
        "under AdamW, Top-KAST decays its weights as the optimiser does, not as a part of the gradient",
        _affected_by_4,
    ),
)
