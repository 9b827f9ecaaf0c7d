"""The baselines of every board: dense, and static sparse masks."""

from dataclasses import dataclass
from typing import ClassVar

from methods.base import Method
from methods.registry import register


@register("dense")
@dataclass
class Dense(Method):
    """No masks: the accuracy and the cost that everything else is compared with."""

    masked: ClassVar[bool] = False


@register("static")
@dataclass
class Static(Method):
    """Random masks drawn at the start and never changed."""
