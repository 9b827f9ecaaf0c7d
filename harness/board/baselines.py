"""Which methods of a level are shown to be better or worse than a dense net that costs as little as a sparse one.

The verdicts are those of the level's own tests, so they hold together with all else that is said of it. What makes a
dense net small or short is worked out before training (`harness.plan.comparison`) and stands in its record.
"""

from harness.board import wording
from harness.board.levels import Level
from harness.board.tables import Row, Table

_MOST_NAMED = 6  # where others could be named instead


def told(table: Table) -> str:
    """Say how the methods of each level compare with the dense nets that cost as little; nothing without such rows."""
    lines = [
        f"At {level.sparsity:g}, {'; '.join(words for _, words in compared)}."
        for level in table.levels
        if (compared := of_level(table, level))
    ]
    return " ".join(lines)


def of_level(table: Table, level: Level) -> list[tuple[str, str]]:
    """Say the same of one level: pairs of a dense net's name and words; nothing at sparsity 0."""
    here: dict[str, list[Row]] = {}
    for row in table.rows:
        if level.sparsity > 0 and row.sparsity == level.sparsity and _is_one(row):
            here.setdefault(row.name, []).append(row)
    return [(name, _compared(rows, level)) for name, rows in sorted(here.items())]


def _is_one(row: Row) -> bool:
    config = row.example["config"]
    return bool(config.get("reference") or config.get("budget_share"))


def _compared(rows: list[Row], level: Level) -> str:
    row = next((row for row in rows if row.place is not None), None)
    if row is None:
        why = "; ".join(sorted({row.unranked for row in rows}))
        return f"nothing is tested against {rows[0].name}, which is not ranked ({why})"
    named = f"{row.method} ({_in_common(row)})"
    if len(level.ranked) == 1:
        return f"no other method is ranked with {named}"
    others = [each for each in level.ranked if each is not row]
    better, worse = _names(level.better(row), others), _names(level.worse(row), others)
    if not better:
        shown = "better or worse" if not worse else "better"
        return f"no method is shown to be {shown} than {named}" + (f", and {worse} worse" if worse else "")
    return f"{better} shown to be better than {named}" + (f", and {worse} worse" if worse else "")


def _in_common(row: Row) -> str:
    """Say what a dense net has in common with the sparse ones."""
    if row.example["config"].get("budget_share"):
        return f"dense, with the training FLOPs of {row.settings.get('like', 'a sparse run')}"
    if row.settings.get("equal") != "flops":
        return "dense, with as many weights"
    one = "an image" if wording.samples(row.example) == "images" else "a sample"
    return f"dense, with as many FLOPs {one}"


def _names(rows: list[Row], others: list[Row]) -> str:
    """Name rows with their verb, by those that are left of the others where these are fewer."""
    names, left = [row.method for row in rows], [row.method for row in others if row not in rows]
    if len(names) > _MOST_NAMED and len(left) < len(names):
        return f"all others{f' but {_listed(left)}' if left else ''} are"
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'}" if names else ""


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
