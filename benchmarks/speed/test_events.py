"""(c) Topology events against sorting, and RigL's against the steps between two of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import DEVICE, Compare
from sort_based import SortBasedMasks
from workload import Workload

from methods import Moment, build
from methods.schedules import cosine_fraction

TARGET = 0.1
POSITION = 0.2  # inside the pruning ramp, which the events walk along
ROUNDS = {"mlp": 40, "resnet20": 40, "vgg19": 5, "resnet50": 5}
LARGE = ("vgg19", "resnet50")
FIELDS: dict[str, dict[str, Any]] = {"granet": {"interval": 1}, "rigl": {}, "gmp": {"interval": 1}}
TARGETS = {("granet", "resnet50"): "at least 12 on a CPU, 20 on CUDA"}


def moments() -> Iterator[Moment]:
    """Yield one moment after the other of a run of 1,000 steps, so that every event prunes a little more."""
    step = round(POSITION * 1000)
    while True:
        yield Moment(step, step / 1000, (step - 1) / 1000, 1000)
        step += 1


def event_of_ours(method: str, work: Workload) -> Callable[[], None]:
    """Return a call that does what the harness does on an event of this method."""
    chosen, times = build({"name": method, **FIELDS[method]}), moments()
    dense_gradient = method != "gmp"

    def event() -> None:
        if dense_gradient:
            work.masks.hold_gradients()
        chosen.update(work.masks, next(times), TARGET)
        work.masks.release_gradients()

    return event


def event_by_sorting(method: str, work: Workload) -> Callable[[], None]:
    """Return a call that changes as many weights as `event_of_ours`, by sorting."""
    chosen, times = build({"name": method, **FIELDS[method]}), moments()
    masks = SortBasedMasks(work.layers, dict(work.masks.tensors()), work.optimizer)

    def event() -> None:
        moment = next(times)
        density = chosen.density(moment, TARGET)
        if density is not None:
            masks.gmp_event(density)
        if method != "gmp":
            masks.rigl_event(cosine_fraction(moment.position, chosen.fraction, end=chosen.final_fraction))

    return event


def ready(net: str, method: str) -> Workload:
    """Return a net in the middle of a run: at the density that the method has there."""
    chosen = build({"name": method, **FIELDS[method]})
    density = chosen.density(next(moments()), TARGET)
    work = Workload(net, density=TARGET if density is None else density, batch_size=1, device=DEVICE)
    work.pretend_a_step()
    return work


@pytest.mark.parametrize("net", ["resnet20", *LARGE])
@pytest.mark.parametrize("method", FIELDS)
def test_event_against_sorting(compare: Compare, quick: bool, method: str, net: str) -> None:
    if quick and net in LARGE:
        pytest.skip("takes seconds an event by sorting: not in quick mode")
    compare(
        f"event by sorting / {method} event, {net}",
        event_of_ours(method, ready(net, method)),
        event_by_sorting(method, ready(net, method)),
        rounds=ROUNDS[net],
        inverse=True,
        target=TARGETS.get((method, net)),
    )


@pytest.mark.parametrize("net", ["mlp", "resnet20", *LARGE])
def test_rigl_event_against_its_steps(compare: Compare, quick: bool, net: str) -> None:
    if quick and net in LARGE:
        pytest.skip("takes seconds a step: not in quick mode")
    work = Workload(net, density=TARGET, batch_size=16 if net == "resnet50" else 128, device=DEVICE)
    event = event_of_ours("rigl", ready(net, "rigl"))
    compare(
        f"rigl event / the 100 steps between two, {net}",
        event,
        work.step,
        rounds=3 if net in LARGE else ROUNDS[net],
        times_baseline=100,
        target="at most 0.01",
    )
