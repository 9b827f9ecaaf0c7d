"""What MkDocs calls while it builds the site: generated pages, formulas, and links of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import command_pages
import formulas
import method_pages
import paper_pages
import record_pages
import repository
import setting_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

GENERATED = {
    "commands": command_pages.commands,
    "settings": setting_pages.settings,
    "choices": setting_pages.choices,
    "recipes": setting_pages.recipes,
    "suites": setting_pages.suites,
    "published": setting_pages.published,
    "papers": paper_pages.papers,
    "records": record_pages.fields,
    "methods": method_pages.overview,
}
"""What takes the place of ``<!-- generated: NAME -->`` on a page."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Render ``math`` blocks, and add the pages of the methods to the navigation."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "formula", "format": formulas.block}]
    (pages,) = (entry["Methods"] for entry in config.nav or [] if "Methods" in entry)
    pages += [{title: paths} for title, paths in method_pages.navigation().items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside ``docs/`` that are pages of the site."""
    for source, uri in repository.PAGES.items():
        text = (repository.ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is generated, then rewrite the links."""
    try:
        return complete(page.file.src_uri, markdown, page.meta)
    except (KeyError, ValueError) as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def complete(uri: str, markdown: str, meta: Mapping[str, Any]) -> str:
    """Return the Markdown of a page as it is rendered.

    Args:
        uri: Its path on the site, such as ``methods/rigl.md``.
        markdown: Its text without front matter.
        meta: Its front matter.

    Raises:
        ValueError: What it asks for cannot be generated.
    """
    place = PurePosixPath(uri)
    if place.parent.name == "methods":
        markdown = method_pages.page(place.stem, markdown, meta)
    markdown = re.sub(r"^<!-- generated: (\w+) -->$", lambda found: GENERATED[found[1]](), markdown, flags=re.MULTILINE)
    return repository.spaced(repository.linked(markdown, uri))


def pages() -> dict[str, str]:
    """Return the Markdown of every page as it is rendered, by its path on the site; the tests read it."""
    return {uri: complete(uri, text, meta) for uri, (meta, text) in repository.sources().items()}
