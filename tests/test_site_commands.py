"""Every command and every Python block of the documentation site, run page by page, from top to bottom."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from site_pages import SHELL, blocks, hooks, pages

from harness.cli.main import parse
from methods import methods

pytestmark = pytest.mark.usefixtures("forgotten", "alone")
TRAINED = ("run", "suite", "tune", "plan")
# As they are written, so that a page that cannot be completed fails no other.
WRITTEN = {uri: blocks(text) for uri, (_, text) in hooks("repository").sources().items()}
RUN = {uri: [block for block in found if not block.tested_by] for uri, found in WRITTEN.items()}
RUN = {
    uri: found
    for uri, found in RUN.items()
    if not uri.startswith("methods/") and any(block.language in (*SHELL, "python") for block in found)
}


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty folder, no container engine, and the commands of this environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("uri", RUN)
def test_the_blocks_of_a_page_run(uri):
    names = {"__name__": "__main__"}
    for block in RUN[uri]:
        if block.example:
            Path(block.example).write_text(block.text)
        elif block.language == "python":
            exec(compile(block.text, uri, "exec"), names)
        elif block.language in SHELL:
            for command in block.commands:
                run(command, block.shortened_by, block.status)
    if uri == "own-network.md":
        assert set(names["density"]) >= {"head.weight", "blocks.0.qkv.weight"}
        assert names["right"] / 360 == names["row"].test_accuracy


@pytest.mark.parametrize("name", sorted(methods()))
def test_the_command_of_a_method_prices_a_run(name, capsys):
    page = pages().get(f"methods/{name}.md")
    if page is None:
        pytest.skip("a method of an installed package")
    (command,) = [line for block in blocks(page) if block.language == "bash" for line in block.commands]
    run(command)
    assert re.search(rf"\b{name}\b", capsys.readouterr().out)


def run(command, more=(), status=0):
    """Run a command: those of the harness in this process, all others in a shell."""
    words = shlex.split(command)
    if words[0] != "sparsebench" or set("|&;<>$`*") & set(command):
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, timeout=300)
        return
    given = parse([*words[1:], *(more if words[1] in TRAINED else ())])
    assert given.call(given) == status, command
