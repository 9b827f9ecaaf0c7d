"""How often the board's test is wrong, and how often it finds what is there: boards of drawn accuracies.

    python benchmarks/statistics/simulate.py [--boards 4000] [--until]

prints the figures that docs/statistics.md quotes, with --until those of seeds added at the looks of a plan; a smaller
run is among the tests.
"""

import argparse
import random
from collections.abc import Callable, Sequence

from harness.board import spending
from harness.board.pairs import compare
from harness.board.ranks import places
from harness.board.sequential import follow

PATTERNS: dict[str, Callable[[random.Random, int], list[float]]] = {
    "equal": lambda draw, rows: [1.0] * rows,
    "two at ten times": lambda draw, rows: [10.0] * min(2, rows - 1) + [1.0] * max(1, rows - 2),
    "random": lambda draw, rows: [10 ** draw.uniform(-0.5, 0.5) for _ in range(rows)],
}
"""Standard deviations of the rows of one board."""

_UNIT = 0.003
"""One standard deviation of a run, as a fraction of the test set; only its being above the resolution matters."""


def board(
    draw: random.Random, deviations: Sequence[float], seeds: int, means: Sequence[float], shared: float = 0.2
) -> list[list[float]]:
    """Return accuracies by row and seed.

    Args:
        draw: Where chance comes from.
        deviations: Of a run of each row, in units of `_UNIT`.
        seeds: How many seeds each row has.
        means: Of each row, in the same units.
        shared: The share of variance that all rows of a seed have in common.
    """
    common = [draw.gauss(0, shared**0.5) for _ in range(seeds)]
    own = (1 - shared) ** 0.5
    return [
        [0.9 + _UNIT * (mean + deviation * (common[seed] + own * draw.gauss(0, 1))) for seed in range(seeds)]
        for mean, deviation in zip(means, deviations, strict=True)
    ]


def false_separations(rows: int, seeds: int, pattern: str, boards: int, start: int = 0) -> float:
    """Return the share of boards of equally good methods that show some difference."""
    wrong = 0
    for number in range(boards):
        draw = random.Random(f"{rows} {seeds} {pattern} {start + number}")
        values = board(draw, PATTERNS[pattern](draw, rows), seeds, [0.0] * rows)
        wrong += any(p <= 0.05 for p in compare(values).p.values())
    return wrong / boards


def power(rows: int, seeds: int, better_by: float, boards: int) -> float:
    """Return the share of the others that one row is shown to beat that is better by some standard deviations."""
    found = 0
    for number in range(boards):
        draw = random.Random(f"power {rows} {seeds} {better_by} {number}")
        family = compare(board(draw, [1.0] * rows, seeds, [better_by] + [0.0] * (rows - 1)))
        found += sum(family.better(0, other) for other in range(1, rows))
    return found / boards / (rows - 1)


def missed_ranks(rows: int, seeds: int, pattern: str, boards: int) -> float:
    """Return the share of boards on which some true rank is outside its interval; the methods are a deviation apart."""
    wrong = 0
    for number in range(boards):
        draw = random.Random(f"ranks {rows} {seeds} {pattern} {number}")
        values = board(draw, PATTERNS[pattern](draw, rows), seeds, [-float(row) for row in range(rows)])
        made = places(compare(values))
        wrong += any(not place.first <= row + 1 <= place.last for row, place in enumerate(made))
    return wrong / boards


def wrongly_as_good(rows: int, seeds: int, boards: int) -> float:
    """Return how often some row is shown to be within a margin of each that is exactly that margin below the best."""
    wrong = 0
    for number in range(boards):
        draw = random.Random(f"margin {rows} {seeds} {number}")
        family = compare(board(draw, [1.0] * rows, seeds, [1.0] + [0.0] * (rows - 1)))
        wrong += any(family.not_worse(row, _UNIT) for row in range(1, rows))
    return wrong / boards


PLAN = spending.planned(0.0)
"""The project's looks; no margin stops them, for to stop early can only make fewer statements."""


def false_separations_until(rows: int, pattern: str, boards: int, fixed_first: bool = False) -> float:
    """Return the share of boards of equally good methods on which some look of the plan shows a difference.

    Args:
        rows: How many methods.
        pattern: Their standard deviations, a name in `PATTERNS`.
        boards: How many boards.
        fixed_first: Whether a level is first tested at three seeds alone, at 5 %, and continued under the plan only if
            that shows nothing.
    """
    wrong = 0
    for number in range(boards):
        draw = random.Random(f"until {rows} {pattern} {number}")
        values = board(draw, PATTERNS[pattern](draw, rows), PLAN.looks[-1], [0.0] * rows)
        shown = fixed_first and any(p <= 0.05 for p in compare([row[: PLAN.looks[0]] for row in values]).p.values())
        wrong += shown or len(follow(values, PLAN).undecided) < rows * (rows - 1) // 2
    return wrong / boards


def power_until(rows: int, better_by: float, boards: int) -> tuple[float, float]:
    """Return the share of the others that one better row is shown to beat by the last look, and the seeds it takes.

    The seeds are those of the look that decides a pair, or of the last look, on average over its pairs.
    """
    found, seeds = 0, 0
    looks = dict(zip(PLAN.spending, PLAN.looks, strict=True))
    for number in range(boards):
        draw = random.Random(f"power until {rows} {better_by} {number}")
        followed = follow(board(draw, [1.0] * rows, PLAN.looks[-1], [better_by] + [0.0] * (rows - 1)), PLAN)
        found += sum((0, other) not in followed.undecided for other in range(1, rows))
        family = followed.family()
        assert family is not None
        seeds += sum(looks[family.levels[0, other]] for other in range(1, rows))
    return found / boards / (rows - 1), seeds / boards / (rows - 1)


def print_until(boards: int) -> None:
    """Print the figures of seeds added at the looks of a plan."""
    print(f"{boards} boards a figure\n\nEqual methods, looks {PLAN.looks}: share of boards that show some difference")
    print("rows pattern             by the plan  at three seeds, then the plan")
    for rows in (2, 6, 12):
        for pattern in PATTERNS:
            shares = [false_separations_until(rows, pattern, boards, first) for first in (False, True)]
            print(f"{rows:<5}{pattern:<20}{shares[0]:<13.3f}{shares[1]:<.3f}", flush=True)
    print("\nOne of 12 methods is better by d deviations: share of the others it is shown to beat, and its seeds")
    for better_by in (0.5, 1.0, 2.0, 3.0, 5.0):
        share, seeds = power_until(12, better_by, boards // 2)
        print(f"d = {better_by:<9}{share:<9.3f}{seeds:.1f}", flush=True)


def main() -> None:
    """Print every figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--boards", type=int, default=4000)
    options.add_argument("--until", action="store_true", help="print the figures of seeds added at the looks of a plan")
    given = options.parse_args()
    if given.until:
        print_until(given.boards)
    else:
        print_fixed(given.boards)


def print_fixed(boards: int) -> None:
    """Print the figures of levels that are tested once."""
    print(f"{boards} boards a figure\n\nEqual methods: share of boards that show some difference")
    print("rows pattern             " + "".join(f"n = {seeds:<5}" for seeds in (3, 5, 10)))
    for rows in (2, 6, 12):
        for pattern in PATTERNS:
            shares = [false_separations(rows, seeds, pattern, boards) for seeds in (3, 5, 10)]
            print(f"{rows:<5}{pattern:<20}" + "".join(f"{share:<9.3f}" for share in shares))
    print("\nMethods one deviation apart: share of boards with a true rank outside its interval")
    for pattern in PATTERNS:
        shares = [missed_ranks(12, seeds, pattern, boards) for seeds in (3, 5, 10)]
        print(f"{12:<5}{pattern:<20}" + "".join(f"{share:<9.3f}" for share in shares))
    print("\nRows exactly the margin below the best: share of boards that show one to be within it")
    for rows in (2, 6, 12):
        shares = [wrongly_as_good(rows, seeds, boards) for seeds in (3, 5, 10)]
        print(f"{rows:<25}" + "".join(f"{share:<9.3f}" for share in shares))
    print("\nOne of 12 methods is better by d deviations: share of the others it is shown to beat")
    for better_by in (0.5, 1.0, 2.0, 3.0, 5.0):
        shares = [power(12, seeds, better_by, boards // 4) for seeds in (3, 5, 10)]
        print(f"d = {better_by:<21}" + "".join(f"{share:<9.3f}" for share in shares))


if __name__ == "__main__":
    main()
