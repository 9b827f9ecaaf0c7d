"""``sparsebench speed``: run the speed suites, keep what pytest-benchmark measured, and print it as ratios."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.errors import UsageError
from harness.places import ROOT, TREE
from harness.speed import page

SUITES = TREE / "speed"

Measured = dict[str, Any]
"""What pytest-benchmark writes: ``machine_info``, ``commit_info``, ``benchmarks`` and more."""


def main(
    ratios: Path | None = None, *, quick: bool = False, everything: bool = False, against: str | None = None
) -> int:
    """Run the suites and return the exit status: 0 if all of them ran.

    A full run is kept in ``benchmarks/speed/results/MACHINE.json``, and the README next to it made anew; a quick one
    shows that everything runs, and is not kept.

    Args:
        ratios: File to write the ratios to, as JSON.
        quick: Small nets and two rounds of each.
        everything: Also time the whole smoke suite, and a run in a container.
        against: A commit whose commands are timed alongside.

    Raises:
        UsageError: pytest-benchmark is not installed, nothing could be measured, the file cannot be written, or there
            is no such commit.
    """
    if not SUITES.is_dir():
        raise UsageError("speed runs in a checkout of the project only: an installed package has no speed suites")
    if ratios:
        _require_writable(ratios)
    if against:
        _require_commit(against)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        status = _run(file, quick=quick, everything=everything, against=against)
        measured = json.loads(file.read_text()) if file.exists() and file.stat().st_size else None
    if measured is None:
        raise UsageError("the speed suites measured nothing; the output of pytest above says why")
    found = rows(measured)
    _show(found)
    if ratios:
        ratios.write_text(json.dumps(found, indent=1) + "\n")
    if not (quick or status):
        for path in page.keep(measured, SUITES):
            print(f"wrote {path}")
    return int(status != 0)


def rows(measured: Measured) -> list[dict[str, Any]]:
    """Return each comparison: ``name, ratio, baseline, value, unit, machine``.

    ``value`` and ``baseline`` are medians in ``unit``; the name says what is divided by what.
    """
    where = page.machine(measured)
    return [
        {**{key: info[key] for key in ("name", "ratio", "baseline", "value", "unit")}, "machine": where}
        for info in (benchmark["extra_info"] for benchmark in measured["benchmarks"])
    ]


def _run(file: Path, *, quick: bool, everything: bool, against: str | None) -> int:
    """Run pytest on the suites, in a process of its own; its output goes to stderr."""
    for module in ("pytest", "pytest_benchmark"):
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"speed needs {module}, which is not installed: pip install 'sparsebench[dev]'")
    command = [sys.executable, "-m", "pytest", str(SUITES), "-q", "--no-header", "-p", "no:cacheprovider"]
    command += ["--benchmark-only", "--benchmark-quiet", "--benchmark-disable-gc", f"--benchmark-json={file}"]
    command += ["--quick"] if quick else []
    command += ["--all"] if everything else []
    command += [f"--against={against}"] if against else []
    # PYTHONPATH: the suites import the packages of this tree, also where those are not installed.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr, check=False).returncode


def _require_writable(file: Path) -> None:
    if file.is_dir() or not file.parent.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"--json {file}: cannot be written")


def _require_commit(revision: str) -> None:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode:
        raise UsageError(f"--against {revision}: git knows no such commit here")


def _show(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what", no_wrap=True)
    for name in ("ratio", "ours", "baseline"):
        table.add_column(name, no_wrap=True, justify="right")
    for row in found:
        amounts = (page.amount(row[key], row["unit"]) for key in ("value", "baseline"))
        table.add_row(row["name"], f"{row['ratio']:.4g}", *amounts)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    if found:
        print(f"on {found[0]['machine']}")
