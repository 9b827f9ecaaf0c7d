"""Follows an executor and shows its events as bars and lines."""

from collections.abc import Sequence
from contextlib import ExitStack

from harness.cli.display import Display, validation
from harness.executors.base import Executor, Finished, Progressed, Started
from harness.exporters.callback import Exports
from harness.plan.planned import Planned


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
                            stack.enter_context(display.run(title, event.planned.run.dataset.val_examples)),
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
    metrics = event.record["metrics"] if event.record else {}
    if (accuracy := metrics.get("test_accuracy")) is not None:
        return f"{event.status} {accuracy:.2%}"
    if event.status == "done":  # a trial of a tuning, which leaves the test set alone
        return f"done, validation {validation(metrics['val_accuracy'], event.planned.run.dataset.val_examples)}"
    return event.status
