"""Puts what lies beside the packages into a wheel: settings, the image's files, published numbers, and the commit."""

import json
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
SOURCE = ("methods", "harness", "sparsebench", "benchmarks", "docker", "pyproject.toml")
FILES = (
    "benchmarks/*.yaml",
    "benchmarks/*/*.yaml",
    "benchmarks/suite/papers/*.yaml",
    "benchmarks/published/*.csv",
    "docker/Dockerfile",
    "docker/make-base",
    "docker/build.lock",
    "docker/images.lock",
    "docker/requirements.lock",
    "results/reference/*",
)


class Build(build_py):
    """Copies the project's files into ``sparsebench/project``, where `harness.places` looks for them."""

    def run(self) -> None:
        """Build the packages; an editable installation uses the files of the checkout."""
        if not self.editable_mode:  # an earlier build may have left modules that are gone since
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if self.editable_mode:
            return
        project = Path(self.build_lib, "sparsebench", "project")
        for path in sorted(path for pattern in FILES for path in HERE.glob(pattern)):
            place = project / path.relative_to(HERE)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        (project / "source.json").write_text(json.dumps(_source()) + "\n", encoding="utf-8")


def _source() -> dict[str, object]:
    """Return the commit that is built, and whether the source differs from it; null outside a checkout."""
    if Path(_git("rev-parse", "--show-toplevel") or "/") != HERE:
        return {"git_commit": None, "git_dirty": None}
    status = _git("status", "--porcelain", "--", *SOURCE)
    return {"git_commit": _git("rev-parse", "HEAD"), "git_dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    command = ["git", "-c", f"safe.directory={HERE}", "-C", str(HERE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


setup(cmdclass={"build_py": Build})
