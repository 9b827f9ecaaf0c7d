"""Boards of records that tests hold in memory."""

from harness.board import Board, aggregate, reference
from harness.records import record_name


def of(records, problems=()):
    files = {record_name(each): each for each in records}
    return Board(files, aggregate.tables(files), reference.read()[0], list(problems))


def only_table(records):
    tables = of(records).tables
    assert len(tables) == 1
    return tables[0]
