"""Files of reliability from strangers: whatever they hold, the board stands and names them in one short line."""

import random

import records
from mutations import content

from harness.board import markdown
from harness.board.board import read
from harness.records import RecordError, record_name, reliability, write
from harness.vocabulary import CORRUPTIONS

MANY = 300
MADE = dict.fromkeys(("torch", "cpu", "gpu", "hostname_hash", "git_commit", "git_dirty", "finished"))


def test_whatever_a_file_holds_the_board_stands_and_names_it(tmp_path):
    runs = [records.make("static", 0.9, seed) | {"network": {"bytes": 9, "sha256": f"{seed:064x}"}} for seed in (0, 1)]
    for record in runs:
        write(record, tmp_path / "records" / record_name(record))
    members = [{"seed": each["seed"], "key": each["key"], "network": each["network"]["sha256"]} for each in runs]
    under = {name: [0.5, 0.4] for name in CORRUPTIONS}
    of_run = {
        "schema": 1,
        "of": "run",
        "key": members[0]["key"],
        "network": members[0]["network"],
        "accuracy": runs[0]["metrics"]["test_accuracy"],
        "reliability": reliability.group(15, 0.1, 0.5, under),
        "provenance": MADE,
    }
    scored = {"accuracy": 0.9, **reliability.group(15, 0.1, 0.5)}
    of_row = {"schema": 1, "of": "row", "runs": members, "agreement": 0.9, "ensemble": scored, "provenance": MADE}
    run_file = reliability.run_path(tmp_path, of_run["key"])
    row_file = reliability.row_path(tmp_path, [member["key"] for member in members])
    goods = ((of_run, run_file), (of_row, row_file))
    for good, file in goods:
        reliability.write(good, file)
    assert read(tmp_path / "records").problems == []
    draw = random.Random(0)
    loaded, refused = 0, []
    for number in range(MANY):
        good, file = draw.choice(goods)
        file.write_bytes(content(good, draw))
        try:
            reliability.load(file)
            loaded += 1
        except RecordError as error:
            refused.append(str(error))
        file.rename(file.with_name(f"{number}.json"))
    assert 0 < loaded < MANY / 2
    assert all(said.isprintable() for said in refused)
    made = read(tmp_path / "records")
    assert len(made.problems) == MANY  # those that load stand under another's name
    for problem in made.problems:
        assert problem.file.startswith("reliability/")
        assert problem.reason.isprintable()
        assert 0 < len(problem.reason) < 4_000
    assert [row.name for table in made.tables for row in table.rows] == ["static"]
    assert "## Files left off" in markdown(made)
