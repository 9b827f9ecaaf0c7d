"""Schedules as pure functions of progress, so that any budget can drive them."""

import math


def cosine_fraction(position: float, start: float, *, end: float = 0.0, until: float = 1.0) -> float:
    """Share of active weights to exchange, decayed by a half cosine.

    ``end + (start - end) (1 + cos(pi * position / until)) / 2``, clamped at ``until`` (the released GraNet and
    ITOP code rises again past it). RigL (Evci et al. 2020, section 3): ``end=0, until=0.75``; GraNet and ITOP:
    ``end=0.005, until=1``.

    Args:
        position: Schedule position, 0 at the start of training and 1 at its end.
        start: Fraction at position 0.
        end: Fraction at ``until`` and later.
        until: Position at which the decay is over.
    """
    share = min(max(position / until, 0.0), 1.0)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def cubic_density(share: float, initial: float, final: float) -> float:
    """Density of gradual magnitude pruning when ``share`` (0...1) of its ramp is done.

    Zhu & Gupta 2017, equation 1, written for densities: ``final + (initial - final) (1 - share)^3``.
    """
    share = min(max(share, 0.0), 1.0)
    return final + (initial - final) * (1 - share) ** 3


def ramp_share(
    step: int,
    position: float,
    previous: float,
    *,
    interval: int,
    start: float,
    end: float,
    total: int | None,
) -> float | None:
    """Share of a pruning ramp that is done at this step, or None if there is no pruning.

    Where the budget fixes the number of steps, pruning falls on the papers' ticks ``k = step / interval`` from
    ``floor(start * total / interval)`` to ``floor(end * total / interval)``, the last one included. Where it does
    not (FLOPs, seconds), or where the window is shorter than an interval, the ramp follows the position and is
    completed on the step that crosses ``end``: a run never misses its target because a tick fell outside it.

    Args:
        step: Training iterations done.
        position: Schedule position after this step, 0...1.
        previous: Schedule position before it.
        interval: Steps between ticks.
        start: Position at which the ramp starts.
        end: Position by which it is over.
        total: Steps of the whole run, None if the budget does not fix them.
    """
    on_tick = step % interval == 0
    if total is not None:
        first, last = (math.floor(at * total / interval + 1e-9) for at in (start, end))
        if last > first:
            tick = step // interval
            return (tick - first) / (last - first) if on_tick and first <= tick <= last else None
    if previous < end <= position:
        return 1.0
    if on_tick and start <= position < end:
        return (position - start) / (end - start)
    return None
