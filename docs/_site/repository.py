"""Pages as the repository has them: links that work there are rewritten for the site."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

PAGES = {
    "RULES.md": "rules.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docker/README.md": "containers.md",
    "examples/my-method/README.md": "my-method.md",
}
"""Files outside ``docs/`` that are pages of the site, and their paths there."""

_FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_CODE_OR_LINK = re.compile(r"(`+)(?:.+?)\1|\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)", re.DOTALL)


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split a file into its front matter and its text."""
    if not text.startswith("---\n"):
        return {}, text
    head, _, rest = text.removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(head), rest.lstrip("\n")


def sources() -> dict[str, tuple[dict[str, Any], str]]:
    """Return front matter and text of every page as it is written, by its path on the site."""
    docs = ROOT / "docs"
    files = {path.relative_to(docs).as_posix(): path for path in sorted(docs.rglob("*.md"))}
    files |= {uri: ROOT / source for source, uri in PAGES.items()}
    return {uri: front_matter(path.read_text(encoding="utf-8")) for uri, path in files.items()}


def linked(markdown: str, uri: str) -> str:
    """Rewrite the links of a page: to pages of the site, and to nothing where the site has no such page.

    Args:
        markdown: Its text; links are relative to where the file lies in the repository.
        uri: Its path on the site.
    """
    source = next((source for source, page in PAGES.items() if page == uri), f"docs/{uri}")

    def rewrite(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or re.match(r"[a-z]+:|#", target):
            return found[0]
        path, hash_, anchor = target.partition("#")
        place = os.path.normpath(os.path.join(os.path.dirname(source), path))
        page = PAGES.get(place, place.removeprefix("docs/") if place.startswith("docs/") else None)
        if page is None:
            return found["text"] if (ROOT / place).exists() else found[0]
        return f"[{found['text']}]({os.path.relpath(page, os.path.dirname(uri) or '.')}{hash_}{anchor})"

    return _outside_fences(markdown, lambda text: _CODE_OR_LINK.sub(rewrite, text))


def spaced(markdown: str) -> str:
    """Put an empty line before each list, which GitHub does not need and Python-Markdown does."""
    before_item = re.compile(r"^(?![-*] |\d+\. |\s|$)(.+)\n(?=(?:[-*]|1\.) )", re.MULTILINE)
    return _outside_fences(markdown, lambda text: before_item.sub(r"\1\n\n", text))


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    """Change what is not a block of code."""
    parts, last = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, change(markdown[last:])])
