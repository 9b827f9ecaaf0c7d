"""``examples/my-method``: the template of a method's repository is installed as it stands, and its tests pass."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from test_workflows import actionlint

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "examples" / "my-method"
WORKFLOW = TEMPLATE / ".github" / "workflows" / "test.yml"
PLUGIN = "sparsebench.pytest_plugin"


def pytest_in(folder, *arguments, site):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Copy the template, install it into a folder of its own and return both."""
    base = tmp_path_factory.mktemp("template")
    package, site = base / "my-method", base / "site"
    shutil.copytree(TEMPLATE, package)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(package)], check=True, timeout=120)
    return package, site


def test_the_template_installs_by_its_entry_point_and_its_tests_pass(installed):
    package, site = installed
    done = pytest_in(package, site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"12 passed", done.stdout), done.stdout


def test_the_plug_in_adds_the_checks_as_tests_and_says_in_a_line_what_fails(installed):
    package, site = installed
    (package / "broken.py").write_text(
        (package / "my_method.py").read_text().replace("my_method", "broken").replace("* masks.maskable)", "* 1e4)")
    )
    known = any(entry.value == PLUGIN for entry in metadata.entry_points(group="pytest11"))
    settings = ("budget=steps:12", "sparsity=0.9", "evaluations=1", "model=mlp")
    done = pytest_in(
        package,
        *(() if known else ("-p", PLUGIN)),
        *("--sparsebench-method=broken.py:MyMethod", "-k", "broken and (exact or outside)", "--rootdir", str(package)),
        *(f"--sparsebench-set={setting}" for setting in settings),
        site=site,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "at sparsity 0.9: 1000 of 50200 weights at the end, the target is 5020" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_workflow_is_sound():
    done = actionlint(WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_pins_its_actions_as_the_project_does_and_asks_for_little():
    ours = set(re.findall(r"uses: (\S+@[0-9a-f]{40} # v\S+)", (ROOT / ".github" / "workflows" / "ci.yml").read_text()))
    used = re.findall(r"uses: (.*)", WORKFLOW.read_text())
    assert used
    assert set(used) <= ours
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_the_readme_names_every_file_of_the_template():
    named = re.findall(r"^\| `(\S+)`", (TEMPLATE / "README.md").read_text(), re.MULTILINE)
    assert all((TEMPLATE / name).is_file() for name in named)
    entries = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert entries["sparsebench.methods"] == {"my_method": "my_method:MyMethod"}
