"""An examination: the checks of a method or a model, one by one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.conformance import method, model
from harness.conformance.checks import Check
from harness.conformance.errors import ConformanceError, reason
from harness.conformance.study import Study, described
from harness.conformance.subject import subject

CHECKS: dict[str, dict[str, Check]] = {"method": method.CHECKS, "model": model.CHECKS}


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        name: Of the check.
        holds: Whether what must hold does; None if it was not looked at.
        found: What was found, in a line.
    """

    name: str
    holds: bool | None
    found: str


class Examination:
    """The checks of a method or a model. Runs are trained when a check first needs them.

    Attributes:
        names: Of the checks, in order.
        study: The runs.
    """

    def __init__(self, group: str, text: str, overrides: Iterable[str] = ()) -> None:
        """Import what is examined.

        Args:
            group: ``"method"`` or ``"model"``.
            text: A name, ``path/file.py:object`` or ``package.module:object``.
            overrides: Settings of the runs, such as ``"method.at=0.5"`` or ``"dataset.shape=[3,16,16]"``.

        Raises:
            UsageError: It does not exist, or a setting is unknown or out of range.
        """
        self.study = Study(subject(group, text, tuple(overrides)))
        self._checks = CHECKS[group]
        self.names = tuple(self._checks)

    @property
    def runs(self) -> str:
        """The runs in words, once they are planned; why there are none, if so."""
        return described(self.study) if self.study.possible else "none"

    def check(self, name: str) -> str:
        """Check one thing and return what was found, in a line.

        Raises:
            ConformanceError: It does not hold, or a run could not be trained.
        """
        try:
            return self._checks[name](self.study)
        except ConformanceError:
            raise
        except Exception as error:  # whatever a stranger's code raises
            raise ConformanceError(reason(error, self.study.subject.file)) from error

    def findings(self) -> Iterator[Finding]:
        """Check everything; where no run can be trained, nothing further is looked at."""
        possible = True
        for name in self.names:
            if not possible:
                yield Finding(name, None, "not looked at")
                continue
            try:
                yield Finding(name, True, self.check(name))
            except ConformanceError as error:
                yield Finding(name, False, str(error))
                possible = name != "trains" and self.study.possible
