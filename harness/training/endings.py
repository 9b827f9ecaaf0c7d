"""How a run that raised something ends: the status and the reason in its record."""

import traceback
from contextlib import suppress

from harness.errors import UsageError, first_line
from harness.machine.oom import ran_out_of_memory
from harness.records import Record
from harness.training.ranks import LostRankError, Ranks, UnequalRanksError
from harness.training.trainer import DivergedError

INTERRUPTED = 130
"""Exit status of a run that was told to stop."""

LOST = "another process of the run ended before its time"
"""The reason where that process has not said why; the launcher may know (`harness.training.launch`)."""


class StoppedError(Exception):
    """The run was told to stop; the message says what was saved of it."""


def note(result: Record, error: Exception, ranks: Ranks | None) -> None:
    """Note how a run ends, and tell the leader of its processes if this is not the leader.

    Args:
        result: Its record.
        error: What was raised.
        ranks: Its processes; None if it has one, or they had not joined.
    """
    if isinstance(error, LostRankError):
        status, reason = (ranks and ranks.posted()) or ("failed", LOST)
    else:
        status, reason = _ending(error)
        if ranks is not None and not ranks.leads:
            with suppress(LostRankError):  # the launcher is gone too
                ranks.post(status, reason)
    result.update(status=status, reason=reason)


def _ending(error: Exception) -> tuple[str, str]:
    if isinstance(error, StoppedError):
        return "interrupted", f"told to stop; {error}"
    if isinstance(error, DivergedError):
        return "diverged", str(error)
    if isinstance(error, UsageError | UnequalRanksError):
        return "failed", str(error)
    # Whatever a method's code raises is this run's end, not the harness's.
    traceback.print_exception(error)
    if ran_out_of_memory(error):
        return "out_of_memory", first_line(error)
    return "failed", f"{type(error).__name__}: {first_line(error)}"
