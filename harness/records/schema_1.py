"""How records of schema 1 are carried over.

Schema 1 knew a method by the hash of its files and an image by the ID that one build happened to get. A record counts
as results version 1 of its method if those files, and as made in an image of known content if that image, are ones
that the project's own committed runs used. Any other method or image keeps the hash it was recorded with, which equals
none of today's, so that plans say what differs.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Settings that say where and how a run is trained, and what a record adds to them.
NOT_THE_RUN = frozenset(
    (
        *("output", "runner", "workers", "packed", "checkpoint_seconds", "graph", "plugins", "corruptions"),
        *("layers", "fixed_flops", "train_fixed_flops", "train_samples", "rules"),
    )
)
NOT_THE_DATA = frozenset(("root", "download"))
_METHODS = frozenset(
    (
        "12e51c5af767fe9372b0f043661a22114a7953381f7b15c9ade8bbe3cf7ac46d",  # dense, static
        "dc3ec8c1a3d763ad189bb73e9e0c3837695bbd4cb2233b5b03d3af234418f3a0",  # gmp, gmp_uniform
        "e4bc0a90731c8e5107c7694feefb2595e5cac15c37351d0024cc3cf34fd4c5e1",  # granet, granet_s0
        "741a4872484d65ccf34a5094a1389846f8402455574fa4dc05f4e26f776cfb7e",  # lr_rewind, lth_rewind
        "4141087d0f8a7d05f08e39ec73d889aba352749d92c833876a0b3e6facf0c415",  # rigl, rigl_itop
        "79b2ef67e8cbcf60dab9892aa13c700b5c7a729712ba4837bc013c654b67e3dc",  # set, set_itop
    )
)
_IMAGES = {
    "sha256:5470abdacddfe1bfb253575b2ae96dffa78503c42f905df1d7683cc057ec4ef3": {
        "content": "6e6c8d11611257d486cbe20bb3c903cd5172315ec85b901ec002e0cf415d4ca3",
        "base": "local",
    }
}


def key(record: Mapping[str, Any]) -> str:
    """Return the key that schema 1 gives a record.

    Raises:
        KeyError: The config has no data set.
    """
    made = record["provenance"]
    what = {name: value for name, value in record["config"].items() if name not in NOT_THE_RUN}
    what["dataset"] = {name: value for name, value in what["dataset"].items() if name not in NOT_THE_DATA}
    text = json.dumps([1, what, made["method_sha256"], made["data_sha256"], made["image_id"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code(made: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the ``code`` that a record's provenance stands for."""
    method = None if made["method_sha256"] in _METHODS else made["method_sha256"]
    return {"results": "1", "method": method, "model": None, "shared": None}


def image(made: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the ``image`` that a record's provenance stands for."""
    return _IMAGES.get(made["image_id"], {"content": made["image_id"], "base": made["base_digest"]})
