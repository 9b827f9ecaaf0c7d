"""(c) Topology events against sorting, and RigL's against the steps between two of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import CUDA, DEVICE, Compare
from sort_based import SortBasedMasks
from test_harness import configured
from workload import Workload

from methods import Moment, build
from methods.parts.schedules import cosine_fraction

TARGET = 0.1
POSITION = 0.2  # inside the pruning ramp, which the events walk along
ROUNDS = {"mlp": 40, "resnet20": 40, "vgg19": 5, "resnet50": 5}
FIELDS: dict[str, dict[str, Any]] = {"granet": {"interval": 1}, "rigl": {}, "gmp": {"interval": 1}}
TARGETS = {("granet", "resnet50"): ("at least", 20 if CUDA else 12)}


def slow(net: str) -> Any:
    return pytest.param(net, marks=pytest.mark.slow)


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


def event_by_sorting(method: str, masks: SortBasedMasks) -> Callable[[], None]:
    """Return a call that changes as many weights as `event_of_ours`, by sorting."""
    chosen, times = build({"name": method, **FIELDS[method]}), moments()

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
    work.pretend_training()
    return work


@pytest.mark.parametrize("net", ["resnet20", slow("vgg19"), slow("resnet50")])
@pytest.mark.parametrize("method", FIELDS)
def test_event_against_sorting(compare: Compare, method: str, net: str) -> None:
    work, other = ready(net, method), ready(net, method)
    sorting = SortBasedMasks(other.layers, dict(other.masks.tensors()), other.optimizer)

    def step_both() -> None:
        work.pretend_a_step(dict(work.masks.tensors()))
        other.pretend_a_step(sorting.masks)

    compare(
        f"event by sorting / {method} event, {net}",
        event_of_ours(method, work),
        event_by_sorting(method, sorting),
        before=step_both,
        rounds=ROUNDS[net],
        inverse=True,
        target=TARGETS.get((method, net)),
    )


@pytest.mark.parametrize("net", ["mlp", slow("resnet20"), slow("vgg19"), slow("resnet50")])
def test_rigl_event_against_its_steps(compare: Compare, net: str) -> None:
    work = Workload(net, density=TARGET, batch_size=16 if net == "resnet50" else 128, device=DEVICE)
    changed = ready(net, "rigl")
    compare(
        f"rigl event / the 100 steps between two, {net}",
        event_of_ours("rigl", changed),
        work.step,
        rounds=min(ROUNDS[net], 15),
        times_baseline=100,
        before=lambda: changed.pretend_a_step(dict(changed.masks.tensors())),
        threads=configured(net).recipe.threads,
        target=("at most", 0.01),
    )
