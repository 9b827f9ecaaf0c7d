"""Overrides from anywhere: settings or one clear line, and nothing in them is executed."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import config
from harness.console import printable
from harness.errors import UsageError
from harness.plan import grid

NAMES = [
    *("method", "dataset", "model", "recipe", "budget", "runner", "budget.kind", "budget.amount", "budget.stretch"),
    *("sparsity", "seed", "output", "device", "evaluations", "workers", "dense_layers", "graph", "loader", "packed"),
    *("recipe.lr", "recipe.milestones", "recipe.threads", "recipe.batch_size", "recipe.augment", "recipe.epochs"),
    *("dataset.shape", "dataset.mean", "dataset.classes", "dataset.root", "method.interval", "method.distribution"),
    *("runner.timeout", "runner.memory", "runner.gpu", "recipe.methods.rigl.interval", "hydra.run.dir", "plugins", "x"),
]
VALUES = [
    *(
        "",
        " ",
        "null",
        "true",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "0",
        "1",
        "0.9",
        "95",
        "9" * 5000,
        "0x10",
        "1_0",
        "٣",
    ),
    *(
        "[",
        "]",
        "[]",
        "[[1]]",
        "[" * 3000,
        "[1,2",
        "[a,b]",
        "[null]",
        "{a: 1}",
        "{}",
        "[&a x, *a]",
        "[!!python/name:os.x]",
    ),
    *(
        "${oc.env:HOME}",
        "${seed}",
        "???",
        "rigl",
        "RigL",
        "rigl,set",
        "epochs:5",
        "epochs:",
        "flops:0.5x2",
        "steps:1e9x",
    ),
    *("a=b", "a\nb", "\x1b[31m", "\x00", "\u202e", "\ud800", "/nowhere.py:X", "/dev/zero.py:X", "'quoted'", "~", "*"),
]


def line_of(refused):
    """Return what the command line prints of a refusal, which is one readable line."""
    line = printable(str(refused))
    assert 0 < len(line) < 2_000
    return line


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=20),
            st.sampled_from(["=", "=", "=", "=", "", ":", "+="]),
            st.sampled_from(VALUES) | st.text(max_size=30) | st.integers().map(str) | st.floats().map(str),
        ),
        min_size=1,
        max_size=4,
    )
)
@example([("dense_layers", "=", "[" * 100_000)])
@example([("sparsity", "=", "0_9.5")])
def test_any_override_is_a_setting_or_refused_in_a_line(parts):
    overrides = ["".join(part) for part in parts]
    try:
        run = config.resolve(overrides)
    except UsageError as refused:
        line_of(refused)
    else:
        plain = config.to_dict(run)
        assert config.to_dict(config.from_dict(plain)) == plain


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["smoke", "imagenet", "", "../smoke", "\x00", "nope"]),
    st.lists(st.sampled_from(VALUES), max_size=3),
)
def test_any_suite_is_a_grid_or_refused_in_a_line(suite, values):
    overrides = [f"{name}={value}" for name, value in zip(("seed", "sparsity", "method"), values, strict=False)]
    try:
        assert len(list(grid.runs(suite, overrides))) > 0
    except UsageError as refused:
        line_of(refused)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_takes_or_refuses_every_odd_value(name):
    for value in random.Random(name).sample(VALUES, 20):
        try:
            config.resolve([f"{name}={value}"])
        except UsageError as refused:
            line_of(refused)
