"""Checks of where and when a run was made: source, image, data, machine, and times that fit together."""

from datetime import UTC, datetime, timedelta
from typing import Any

from harness.records import Record

# The clocks of a runner and of the run inside it may differ by this much.
_SLACK = timedelta(seconds=5)


def refusals(record: Record) -> list[str]:
    """Return what the provenance of a record leaves open.

    Args:
        record: A record that keeps its schema.
    """
    return [*_source(record), *_container(record), *(_measured_on(record) if record["status"] == "done" else [])]


def _source(record: Record) -> list[str]:
    made, found = record["provenance"], []
    if not _is_hex(made["git_commit"], 40):
        of = f" (sparsebench {made['package']} was not built in a checkout)" if made.get("package") else ""
        found.append(f"git_commit: {made['git_commit']!r} is not a commit; a result comes from a known one{of}")
    if made["git_dirty"] is not False:
        found.append("git_dirty: the source was, or may have been, changed after its commit")
    if not _is_hex(made["method_sha256"], 64):
        found.append(f"method_sha256: {made['method_sha256']!r} is not a hash of the method's source")
    return found


def _container(record: Record) -> list[str]:
    made, image, found = record["provenance"], record["image"], []
    if record["runner"] != "docker":
        named = made["image_id"] is not None or image is not None
        return ["image_id: a local run has no image; naming one does not verify it"] if named else []
    if not _is_hex(str(made["image_id"]).removeprefix("sha256:"), 64):
        found.append(f"image_id: {made['image_id']!r} is not an image, but the runner is docker")
    if not _is_hex(made["lock_sha256"], 64):
        found.append(f"lock_sha256: {made['lock_sha256']!r} is not a hash, but the runner is docker")
    if record["schema"] > 1 and not (image and _is_hex(image["content"], 64) and image["base"]):
        found.append(f"image: {image!r} does not give content and base, but the runner is docker")
    return found


def _measured_on(record: Record) -> list[str]:
    made, found = record["provenance"], []
    if not _is_hex(made["data_sha256"], 64):
        found.append(f"data_sha256: {made['data_sha256']!r} is not a fingerprint of the data")
    needed = ["cpu", "python", "torch", "hostname_hash"]
    if record["config"].get("device") == "cuda":
        needed += ["gpu", "cuda"]
    return found + [f"{name}: missing; a result names what it was measured on" for name in needed if not made[name]]


def time_refusals(record: Record) -> list[str]:
    """Return which times of a record cannot be.

    Args:
        record: A record that keeps its schema.

    Raises:
        ValueError: A time names a day or an hour that does not exist.
    """
    started, finished = (
        datetime.fromisoformat(record["provenance"][name]) if record["provenance"][name] else None
        for name in ("started", "finished")
    )
    seconds, done = record["cost"]["seconds"], record["status"] == "done"
    found = []
    if started and finished:
        if finished < started:
            found.append("finished: before it started")
        elif not record["provenance"]["resumed"] and seconds["total"] is not None:
            lasted = (finished - started + _SLACK).total_seconds()
            if seconds["total"] > lasted:
                found.append(f"seconds.total: {seconds['total']:g}, longer than from started to finished")
    elif done:
        found.append("started: missing")
    if finished and finished > datetime.now(UTC) + timedelta(days=1):
        found.append("finished: lies in the future")
    parts = sum(seconds[name] for name in ("train", "eval", "topology") if seconds[name] is not None)
    if seconds["total"] is not None and parts > seconds["total"] + _SLACK.total_seconds():
        found.append(f"seconds.total: {seconds['total']:g}, less than its parts take")
    if done and not (seconds["total"] and seconds["train"]):
        found.append("seconds: training takes time")
    return found


def _is_hex(text: Any, digits: int) -> bool:
    return isinstance(text, str) and len(text) == digits and set(text) <= set("0123456789abcdef")
