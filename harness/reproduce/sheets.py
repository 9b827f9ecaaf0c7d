"""Reproductions as files: every paper of which something has been run, in three formats and for the README."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.board import escape
from harness.board.documents import update
from harness.board.markdown import grid
from harness.records import write_atomic
from harness.reports import html
from harness.reports.page import UNKNOWN, Page, Section, Table
from harness.reproduce import verdicts, wording
from harness.reproduce.paper import Paper
from harness.reproduce.results import Result, RowResult

FILES = ("reproductions.csv", "reproductions.md", "reproductions.html")
HEADERS = ("method", "sparsity", "settings", "published", "ours", "seeds", "difference", "verdict", "why or note")
ORDER_HEADERS = ("published order", "verdict", "ours")

_TITLE = "Reproductions"
_BOARD = "leaderboard.html"
_READING = (
    "Each row of a paper's table beside our runs under its protocol, as far as that is known. ± is what the paper "
    "gives, and the standard deviation of ours. A row is reproduced if the difference is within the stated tolerance "
    "or the joint 95 % interval of the two means, unless the interval is too wide to tell or seeds were lost. Ours is "
    "always the last epoch, with the test set used once. A claim is what a paper says without a number; claims are "
    "counted apart."
)
_COUNTED = (
    verdicts.REPRODUCED,
    verdicts.ORDERED,
    verdicts.UNDECIDED,
    verdicts.MISSED,
    verdicts.NOT_RUN,
    verdicts.ABSENT,
)


def write(results: Sequence[Result], folder: Path, readme: Path | None = None) -> list[Path]:
    """Write `FILES`, and the README's table where one is given.

    Args:
        results: Of all papers; those of which nothing was run are left out.
        folder: Where the files go.
        readme: A file with the two markers.

    Returns:
        The files.

    Raises:
        UsageError: ``readme`` has no markers.
        OSError: A file cannot be written.
    """
    run = [result for result in results if result.run]
    shown = page(run, linked=(folder / _BOARD).is_file())
    written = [folder / name for name in FILES]
    for path, content in zip(written, (csv_text(run), markdown(run), html.page(shown)), strict=True):
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            write_atomic(path, content)
    if readme is not None:
        update(readme, {"reproductions": summary(run)})
    return written


def cells(row: RowResult) -> dict[str, str]:
    """Return the cells of a row by `HEADERS`."""
    line, verdict = row.line, row.verdict
    return dict(
        zip(
            HEADERS,
            (
                *wording.settings(line),
                wording.published(line),
                wording.ours(row),
                str(len(row.values)) if row.values else UNKNOWN,
                wording.difference(row),
                verdict.word,
                verdict.why or line.note,
            ),
            strict=True,
        )
    )


def told(result: Result) -> list[str]:
    """Return what is to be known of a paper's table, a sentence or two each."""
    paper = result.paper
    orders = sum(verdict.word == verdicts.REPRODUCED for _, verdict in result.orderings)
    counts = []
    if result.count():
        counts.append(f"{result.count(verdicts.REPRODUCED)} of {result.count()} published rows reproduced")
    if result.orderings:
        counts.append(f"{orders} of {len(result.orderings)} orderings{'' if counts else ' reproduced'}")
    if result.claims[1]:
        counts.append("{} of {} claims kept".format(*result.claims))
    return [
        f"{paper.title}. {paper.table}. Source: {paper.source}.",
        f"Known of the protocol: {paper.known}" if paper.known else "",
        " ".join(["Guessed or different:", *paper.guessed]) if paper.guessed else "",
        f"Tolerance: {paper.tolerance:g}{_own_tolerances(paper)}. {paper.tolerance_why}".strip(),
        f"Left out: {result.left_out}." if result.left_out else "",
        f"{', '.join(counts) or 'No published row is among these'}.",
    ]


def _own_tolerances(paper: Paper) -> str:
    """Return the tolerances of rows that have their own, with where they come from."""
    own = {(line.tolerance, line.tolerance_why): None for line in paper.lines if line.tolerance != paper.tolerance}
    return "".join(f"; of some rows {value:g}" + (f" ({why})" if why else "") for value, why in own)


def orderings(result: Result) -> list[dict[str, str]]:
    """Return the cells of the orderings by `ORDER_HEADERS`."""
    return [
        dict(zip(ORDER_HEADERS, (ordering.said, verdict.word, verdict.why), strict=True))
        for ordering, verdict in result.orderings
    ]


def markdown(results: Iterable[Result]) -> str:
    """Return the papers as Markdown."""
    parts = [f"# {_TITLE}", "Written from `records/*.json` by `sparsebench reproduce`; do not edit.", _READING]
    for result in results:
        parts.append(f"## {escape.markdown(result.paper.name)}")
        parts += [escape.markdown(line) for line in told(result) if line]
        parts.append(grid(list(HEADERS), [list(cells(row).values()) for row in result.rows]))
        if ordered := orderings(result):
            parts.append(grid(list(ORDER_HEADERS), [list(each.values()) for each in ordered]))
    return "\n\n".join(parts if len(parts) > 3 else [*parts, "Nothing has been run yet."]) + "\n"


def page(results: Iterable[Result], *, linked: bool = False) -> Page:
    """Return the papers as a page, which links to that of the board if it is told that there is one."""
    sections = []
    for result in results:
        tables = [Table(HEADERS, [list(cells(row).values()) for row in result.rows], words=3)]
        if ordered := orderings(result):
            tables.append(Table(ORDER_HEADERS, [list(each.values()) for each in ordered], words=3))
        sections.append(Section(result.paper.name, tables=tables, notes=[line for line in told(result) if line]))
    return Page(_TITLE, [_READING], sections, {"Leaderboard": _BOARD} if linked else {})


def summary(results: Sequence[Result]) -> str:
    """Return the table of the README: a line a paper."""
    rows = []
    for result in results:
        counts = [str(result.count(word)) for word in _COUNTED]
        held = sum(verdict.word == verdicts.REPRODUCED for _, verdict in result.orderings)
        rows.append([result.paper.name, result.paper.title, str(result.count()), *counts])
        rows[-1].append(f"{held} of {len(result.orderings)}" if result.orderings else UNKNOWN)
        rows[-1].append("{} of {}".format(*result.claims) if result.claims[1] else UNKNOWN)
    if not rows:
        return "No paper has been run yet: `make reproduce PAPER=layer_collapse` takes minutes."
    return grid(["suite", "paper", "published rows", *_COUNTED, "orderings reproduced", "claims kept"], rows)


def csv_text(results: Iterable[Result]) -> str:
    """Return the papers as CSV, a line for each row and each ordering."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        rows = [_plain_cells(result.paper.name, row) for row in result.rows]
        for ordering, verdict in result.orderings:
            found = {"paper": result.paper.name, "key": f"order: {ordering.said}"}
            found |= {"verdict": verdict.word, "why": verdict.why}
            rows.append([found.get(name, "") for name in _COLUMNS])
        writer.writerows([[cell if _is_number(cell) else escape.csv(cell) for cell in row] for row in rows])
    return text.getvalue()


_COLUMNS = (
    *(
        "paper",
        "key",
        "method",
        "sparsity",
        "settings",
        "measure",
        "claim",
        "published",
        "spread",
        "spread_is",
        "published_n",
    ),
    *("ours", "ours_std", "n", "difference", "joint_half_width", "tolerance", "decided_by", "verdict", "why", "runner"),
)


def _plain_cells(paper: str, row: RowResult) -> list[str]:
    """Return the cells of a row by `_COLUMNS`: numbers as they are."""
    line, verdict, published = row.line, row.verdict, row.line.published
    theirs = [published.value, published.spread, published.kind, published.n] if published else [None] * 4
    ours = [row.ours.mean, wording.std(row.values), row.ours.n] if row.ours else [None] * 3
    judged = [verdict.difference, verdict.half_width, line.tolerance if published else None]
    return [
        *(paper, line.key, *wording.settings(line), line.measure, "yes" if line.claim else ""),
        *map(_plain, (*theirs, *ours, *judged)),
        *(verdict.basis, verdict.word, verdict.why, row.runner),
    ]


def _plain(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.6g}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
