"""The schema of where a result comes from: the group ``provenance`` of records."""

from harness.records.shapes import (
    AMOUNT,
    FRACTION,
    LONGEST_NAME,
    MAYBE_NAME,
    MAYBE_TRUE,
    MOST_NAMES,
    NAME,
    STEP,
    TIME,
    items,
    keys,
)

# The plan of a suite that adds seeds until its rows are resolved.
LOOKS = keys(
    {
        "margin": AMOUNT,
        "looks": items(STEP, MOST_NAMES),
        "spending": {
            "type": ["string", "array", "null"],
            "maxLength": LONGEST_NAME,
            "items": FRACTION,
            "maxItems": MOST_NAMES,
        },
    },
    null=True,
)

PROVENANCE = keys(
    {
        "git_commit": MAYBE_NAME,
        "git_dirty": MAYBE_TRUE,
        # The version of an installed package; a checkout has a commit alone.
        "package": MAYBE_NAME,
        "image_id": MAYBE_NAME,
        "base_digest": MAYBE_NAME,
        "lock_sha256": MAYBE_NAME,
        "method_sha256": MAYBE_NAME,
        "data_sha256": MAYBE_NAME,
        "hostname_hash": MAYBE_NAME,
        "gpu": keys({"name": NAME, "driver": MAYBE_NAME, "count": STEP}, null=True),
        "cpu": MAYBE_NAME,
        **dict.fromkeys(("python", "torch", "cuda"), MAYBE_NAME),
        "cudnn": {**STEP, "type": ["string", "integer", "null"], "maxLength": LONGEST_NAME},
        "started": TIME,
        "finished": TIME,
        "resumed": MAYBE_TRUE,
        # Operators without a deterministic algorithm that the run used.
        "nondeterministic": {"type": ["array", "null"], "items": NAME, "maxItems": MOST_NAMES},
        # Limits of a container, by the names of its settings, that its engine could not keep.
        "unlimited": items(NAME, MOST_NAMES),
        # Of a run of several processes.
        "ranks": keys({"count": STEP, "backend": NAME, "batch_statistics": MAYBE_NAME}, null=True),
        "looks": LOOKS,
    },
    optional=("package", "nondeterministic", "unlimited", "ranks", "looks"),
)
