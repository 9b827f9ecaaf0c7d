"""Settings of a method that decide on nothing: one that is set all the same would make another row of equal runs."""

from dataclasses import fields
from typing import Any

from harness import plugins
from harness.config.schema import RunConfig
from harness.errors import UnfitError
from methods import Method


def check_read(run: RunConfig) -> None:
    """Refuse a setting that the method of a run does not read, unless it has its default.

    Of a method without masks they become the default instead (`harness.config.checked`).

    Raises:
        UnfitError: It names the setting, the method and what that reads.
    """
    if run.method.masked:
        for name in _unread(run.method):
            require_read(run.method, name, getattr(run.method, name))


def require_read(method: Method, name: str, value: Any) -> None:
    """Refuse another value than the default of a setting that a method does not read.

    Args:
        method: With its hyper-parameters.
        name: Of one of the settings that every method has.
        value: What it is to be.

    Raises:
        UnfitError: See `check_read`.
    """
    unread = _unread(method)
    usual = {field.name: field.default for field in fields(method)}
    if name not in unread or value == usual[name]:
        return
    read = [each for each in usual if each not in ("name", *unread)]
    raise UnfitError(
        f"method.{name} {value} changes nothing of method {method.name!r}, which reads "
        f"{', '.join(read) or 'no setting'}: leave it out"
    )


def _unread(method: Method) -> tuple[str, ...]:
    try:
        return tuple(name for name in ("distribution", "interval") if name in method.unread())
    except Exception as error:
        if not plugins.is_foreign(method):
            raise
        raise plugins.unusable(method, error) from None
