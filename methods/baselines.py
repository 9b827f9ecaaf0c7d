"""The baselines of every board: dense training and static sparse masks."""

from dataclasses import dataclass
from typing import ClassVar

from methods.base import Look, Method
from methods.registry import register

_GREY = "#8a8a8a"


@register("dense")
@dataclass
class Dense(Method):
    """Dense training."""

    family: ClassVar[str] = "baseline"
    summary: ClassVar[str] = "No masks: the accuracy and the cost that everything else is compared with."
    look: ClassVar[Look | None] = Look(_GREY, "plus", dash=(2, 2))

    masked: ClassVar[bool] = False


@register("static")
@dataclass
class Static(Method):
    """Static sparse training."""

    family: ClassVar[str] = "baseline"
    summary: ClassVar[str] = "Random masks drawn at the start and never changed."
    look: ClassVar[Look | None] = Look(_GREY, "cross")

    def unread(self) -> tuple[str, ...]:
        """See `Method.unread`."""
        return ("interval",)
