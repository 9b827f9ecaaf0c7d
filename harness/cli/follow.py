"""Follows an executor and shows its events as bars and lines."""

from collections.abc import Sequence
from contextlib import ExitStack

from harness.cli.display import Display, validation
from harness.cli.layout import score
from harness.executors.base import Executor, Finished, Progressed, Started
from harness.exporters.callback import Exports
from harness.plan.planned import Planned
from harness.records import metrics
from harness.records.metrics import Metric


def follow(executor: Executor, runs: Sequence[Planned], chains: Sequence[Sequence[Planned]]) -> list[Finished]:
    """Have an executor train chains of runs, show what happens, and return how each run ended.

    Args:
        executor: Trains them.
        runs: All runs, in the order in which they are numbered.
        chains: The same runs, grouped.

    Raises:
        KeyboardInterrupt: Ctrl-C, once every run under way was stopped and its record written.
        UsageError: A run cannot be trained as configured.
    """
    try:
        executor.submit(chains)
        return _show(executor, runs)
    except BaseException:
        _stop(executor)
        raise


def _show(executor: Executor, runs: Sequence[Planned]) -> list[Finished]:
    numbers = {planned.key: number for number, planned in enumerate(runs, 1)}
    ended: list[Finished] = []
    events = executor.events()
    interrupted = False
    with Display() as display, Exports(runs, display.say) as export:
        shown = {}
        while True:
            try:  # wherever Ctrl-C comes, the runs under way are stopped and waited for
                event = next(events, None)
                if event is None:
                    break
                export(event)
                key = event.planned.key
                title = event.planned.title if len(runs) == 1 else f"[{numbers[key]}/{len(runs)}] {event.planned.title}"
                match event:
                    case Started():
                        stack = ExitStack()
                        shown[key] = (
                            stack,
                            stack.enter_context(display.run(title, *_validated(event.planned))),
                        )
                    case Progressed() if key in shown:
                        shown[key][1](event.message)
                    case Progressed() if event.message["event"] == "log":  # it waits, or its job was lost
                        display.say(event.message["text"])
                    case Finished():
                        ended.append(event)
                        if key in shown:
                            shown.pop(key)[0].close()
                            if len(runs) > 1:
                                display.say(f"{title}: {_outcome(event)}")
            except KeyboardInterrupt:
                interrupted = True
                executor.cancel()
                events = executor.events()
    if interrupted:
        raise KeyboardInterrupt
    return ended


def _stop(executor: Executor) -> None:
    """Stop the runs under way and wait for them, whatever happens meanwhile."""
    while True:
        executor.cancel()
        try:
            for _ in executor.events():
                pass
        except KeyboardInterrupt:
            continue
        except Exception:  # the executor's own, once every run has ended; what stopped them is raised already
            return
        return


def _outcome(event: Finished) -> str:
    if event.record is None:
        return event.status
    metric, samples = _validated(event.planned)
    if (value := metrics.test(event.record)) is not None:
        return f"{event.status} {score(metric, value)}"
    value = metrics.validation(event.record["metrics"])
    if event.status == "done" and value is not None:  # a trial of a tuning, which leaves the test set alone
        return f"done, validation {validation(metric, value, samples)}"
    return event.status


def _validated(planned: Planned) -> tuple[Metric, int | None]:
    """Return what a run is compared by, and on how many samples it is validated, if known."""
    dataset = planned.run.dataset
    return metrics.of_dataset({"metric": dataset.metric}), dataset.val_examples
