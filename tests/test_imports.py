"""Who may import whom, and what may be imported before it is needed."""

import subprocess
import sys

import pytest

from harness.places import ROOT

SLOW = ("torch", "torchvision", "hydra", "pandas", "scipy", "sklearn", "docker")


def test_imports_keep_to_the_floors_of_the_house():
    """`[tool.importlinter]` in pyproject.toml: no layer imports from one above it, and there is no circle."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "sparsebench",
        "methods",
        "harness.cli.main",
        "harness.config",
        "harness.records",
        "harness.audit.submission",
        "harness.board",
        "harness.executors.state",
    ],
)
def test_what_answers_at_once_imports_nothing_slow(module):
    code = f"import sys, {module}; print(sorted(set({SLOW!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_file_of_the_harness_is_long():
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for package in ("harness", "methods", "sparsebench")
        for path in sorted((ROOT / package).rglob("*.py"))
        if (lines := len(path.read_text().splitlines())) > 250
    ]
    assert long == []
