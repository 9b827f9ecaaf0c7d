"""The rows of a paper's suite, each of which a published row has to name."""

from collections.abc import Sequence

from harness.errors import UsageError
from harness.plan import grid
from harness.reproduce.ours import Cell, cells, listed, matching, where_of
from harness.reproduce.paper import Paper, read, words
from methods import methods


def require(name: str) -> None:
    """Make sure that the file of a paper is right, and that each of its rows is one that its suite trains.

    Raises:
        UsageError: One is not.
    """
    require_rows(read(name), rows_of(name, []))


def rows_of(name: str, overrides: Sequence[str]) -> list[Cell]:
    """Return the rows that a paper's suite trains under overrides."""
    return cells(grid.runs(name, [*overrides], lambda line: None))


def require_rows(paper: Paper, found: Sequence[Cell]) -> None:
    """Make sure that a published row stands for one row of the suite, or for one for each combination that it lists.

    Raises:
        UsageError: It stands for several, or for none though there is such a method.
    """
    rows = [(f"rows[{number}]", line.where) for number, line in enumerate(paper.lines)]
    for number, ordering in enumerate(paper.orderings):
        rows += [(f"orderings[{number}]: order[{place}]", where) for place, where in enumerate(ordering.order)]
    for place, where in rows:
        stands = matching(where, found)
        many = listed(where, stands[0].run) if stands else 1
        if len(stands) > many:
            differing = sorted(set(where_of(stands[0], stands)) - set(where)) or [
                "settings of the recipe or the budget"
            ]
            raise UsageError(
                f"paper {paper.name}: {place}: the row {words(where)} stands for {len(stands)} rows of the suite, "
                f"which differ in {', '.join(differing)}: say which"
            )
        if len(stands) < many and where["method"] in methods():
            raise UsageError(
                f"paper {paper.name}: {place}: the row {words(where)} stands for no row of the suite, or not for one "
                "for each value that it lists: its settings have to be those of base: and grid:"
            )
