"""How the kit says that something does not hold."""

from harness import errors
from harness.errors import UsageError, first_line


class ConformanceError(AssertionError):
    """Something that must hold does not; the message is one line and says what was found."""


def reason(error: BaseException, file: str) -> str:
    """Say in one line what was raised, and on which line of the file of what is examined.

    Args:
        error: What a run raised.
        file: The file; nothing if it is not known.
    """
    if isinstance(error, UsageError):
        return first_line(error)
    return errors.reason(error, file)
