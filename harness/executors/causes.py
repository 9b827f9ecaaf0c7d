"""Whether a run failed because of the machine, where trying again may help, or because of itself."""

import errno
import os

from harness.errors import UsageError, first_line
from harness.records import Record

_PASSING = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT),
    *(errno.ENODEV, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
)
"""A full disk, or a file system whose server is gone."""

_SAID = (
    *("ended by SIGKILL", "ended by SIGTERM", "ended by SIGHUP"),
    "another process is still training in",
    "the container engine went away",
    "the container could not be started",
    "stopped from outside the harness",
)
"""What runners say of a run that something else has ended (`harness.runners.local`, `harness.containers.supervise`)."""


class MachineError(UsageError):
    """The output cannot be written at the moment: the disk is full, or the server of the file system is gone."""


def is_of_machine(record: Record) -> bool:
    """Return whether a run ended because of the machine: it was stopped or killed, its engine or its disk failed.

    By itself a run fails through what its code raises, a result that is not valid, and its limits of time and memory.
    """
    if record["status"] == "failed":
        return any(text in str(record["reason"]) for text in (*_SAID, *map(os.strerror, _PASSING)))
    return record["status"] == "interrupted"


def unwritable(what: str, error: OSError, more: str = "") -> UsageError:
    """Return the error for output that cannot be written; a `MachineError` if that may pass.

    Args:
        what: What cannot be done, for example ``"output results/runs: cannot be written to"``.
        error: Why.
        more: What else to say.
    """
    kind = MachineError if error.errno in _PASSING else UsageError
    return kind(f"{what} ({error.strerror or first_line(error)}){more}")
