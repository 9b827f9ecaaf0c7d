"""Which golden runs there are: every built-in method and model, and what else decides results (`golden_runs`)."""

from dataclasses import asdict
from typing import Any

from natural import SIGNALS, own

import methods

_DATASET = {
    "name": "synthetic",
    "shape": [1, 8, 8],
    "classes": 10,
    "train_examples": 96,
    "val_examples": 24,
    "test_examples": 32,
    "mean": [0.5],
    "std": [0.3],
}
_RECIPE = {
    "name": "golden",
    "epochs": 8,
    "batch_size": 16,  # the last batch of an epoch holds 8 of the 72 training images
    "optimizer": "sgd",
    "lr": 0.05,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "decay_normalisation": True,
    "lr_shape": "cosine",
    "milestones": [],
    "gamma": 0.1,
    "warmup_epochs": 0,
    "label_smoothing": 0.0,
    "augment": "none",
    "threads": 1,
}

#: What methods need that cannot take the sparsity of the others, or the size of their probe.
_SMALL: dict[str, dict[str, Any]] = {"grasp": {"per_class": 1}, "sr_ste": {"sparsity": 0.75}, "synflow": {"rounds": 10}}


def cases() -> dict[str, dict[str, Any]]:
    """Return the config of every golden run by name: each built-in method once, then what else decides results.

    Intervals and rounds are short: the methods' own belong to runs a thousand times as long. ``initial_weights``
    trains nothing; it holds what the runs replace, the weights that models start from.
    """
    found = {
        name: _case(name, "convnet", "steps:32", **_SMALL.get(name, {}))
        for name, method in methods.methods().items()
        if type(method).__module__.startswith("methods.")
    }
    drop = {"lr_shape": "step", "milestones": [0.5, 0.8], "gamma": 0.3}
    found |= {
        "initial_weights": {"models": own(), "classes": 10, "shape": [3, 32, 32], "seed": 3},
        "initial_weights_of_signals": {"models": own(SIGNALS), "classes": 10, "shape": [1, 40], "seed": 3},
        "mlp_adamw_smoothing": _case(
            "granet",
            "mlp",
            "epochs:8",
            recipe={"optimizer": "adamw", "lr": 2e-3, "nesterov": False, "label_smoothing": 0.1},
        ),
        "mlp_adamw_top_kast": _case(
            "top_kast",
            "mlp",
            "steps:32",
            recipe={"optimizer": "adamw", "lr": 2e-3, "nesterov": False, "weight_decay": 0.1},
        ),
        "mlp_static_step": _case("static", "mlp", "steps:40", recipe=drop),
        "crop_flip_epochs": _case("rigl", "convnet", "epochs:6", recipe={"augment": "crop_flip"}),
        "crop_undecayed_normalisation_er": _case(
            "set",
            "convnet",
            "epochs:6x1.5",
            recipe={"augment": "crop", "decay_normalisation": False},
            distribution="er",
        ),
        "recorded_step": _case("rigl_itop", "convnet", "steps:40", graph=True, recipe={"momentum": 0.8}),
        "frozen_before_the_last_pruning": _case("granet", "mlp", "steps:40", until=0.3),
        "flops_gmp": _case("gmp", "mlp", "flops:0.6", recipe=drop),
        "flops_granet_s0": _case("granet_s0", "convnet", "flops:0.5"),
        "flops_lr_rewind": _case("lr_rewind", "mlp", "flops:1.2"),
        "rounds_each_lr_rewind": _case("lr_rewind", "convnet", "steps:16", rounds="each"),
        "rounds_each_lth_rewind": _case("lth_rewind", "mlp", "epochs:3", rounds="each", rewind_to=0.3),
        "rounds_shared_share": _case("lth_rewind", "mlp", "steps:48", sparsity=0.6, share=0.3, rewind_to=0.2),
        # Positions of rewinding rounds are decimals that floats miss.
        "milestones_rounds_each": _case("lth_rewind", "convnet", "steps:20", rounds="each", recipe=drop, rewind_to=0.1),
        "milestones_rounds_shared": _case("lr_rewind", "mlp", "steps:48", recipe=drop, rewind_to=0.1),
        "warmup_cosine": _case("static", "convnet", "steps:40", recipe={"warmup_epochs": 2}),
        "warmup_step": _case("rigl", "mlp", "epochs:8", recipe={**drop, "warmup_epochs": 1}),
        "warmup_lr_rewind": _case("lr_rewind", "mlp", "steps:48", recipe={"warmup_epochs": 1}),
        "warmup_flops": _case("set", "convnet", "flops:0.2", recipe={"warmup_epochs": 1.5}),
        "uniform": _case("static", "convnet", "steps:24", distribution="uniform"),
        "uniform_dense_layers": _case(
            "static",
            "convnet",
            "steps:24",
            sparsity=0.7,
            distribution="uniform",
            dense_layers=["features.0.0.weight"],
        ),
        "uniform_mlp": _case("rigl", "mlp", "steps:24", distribution="uniform"),
        "gmp_uniform_erk": _case("gmp_uniform", "convnet", "steps:24", sparsity=0.8, interval=1, distribution="erk"),
        "gmp_uniform_mlp": _case("gmp_uniform", "mlp", "steps:40", sparsity=0.95, interval=1),
    }
    return found


def _case(
    method: str,
    model: str,
    budget: str,
    *,
    rounds: str = "shared",
    sparsity: float = 0.9,
    graph: bool = False,
    dense_layers: list[str] | None = None,
    recipe: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return a config; ``budget`` as on the command line, ``rounds`` its rounds, ``fields`` of the method."""
    kind, _, amount = budget.partition(":")
    amount, _, stretch = amount.partition("x")
    defaults = asdict(methods.methods()[method])
    short = {"interval": 4 if defaults["interval"] else 0} | ({"rounds": 2} if defaults.get("rounds") else {})
    return {
        "dataset": _DATASET,
        "method": {**defaults, **short, **fields},
        "model": {"name": model},
        "recipe": {**_RECIPE, **(recipe or {})},
        "budget": {"kind": kind, "amount": float(amount), "stretch": float(stretch or 1), "rounds": rounds},
        "runner": {"name": "local"},
        "sparsity": sparsity if methods.methods()[method].masked else 0.0,
        "seed": 3,
        "device": "cpu",
        "evaluations": 4,
        "checkpoint_seconds": 0,
        "graph": graph,
        "dense_layers": dense_layers or [],
    }
