"""Records: their schema, validation, identity and files."""

from harness.records.folder import Problem, load_files
from harness.records.record import Record, cell_name, empty, is_trial, record_name, whole_budget
from harness.records.store import load, write, write_atomic
from harness.records.validate import RecordError

__all__ = [
    "Problem",
    "Record",
    "RecordError",
    "cell_name",
    "empty",
    "is_trial",
    "load",
    "load_files",
    "record_name",
    "whole_budget",
    "write",
    "write_atomic",
]
