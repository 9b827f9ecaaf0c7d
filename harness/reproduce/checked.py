"""Which records of a folder ``sparsebench check`` refuses for what they say themselves."""

from functools import lru_cache
from pathlib import Path

from harness.records.folder import record_paths

_OF_SUBMISSIONS = ("seeds: ", "git_commit: ", "git_dirty: ")
"""How refusals begin that are for what a submission lacks, and not for what its record says: that a row has fewer seeds
than three, which rows of papers show, or that the source was not a commit. Whether that source is the present one is
told by its digests (`harness.reproduce.ours.Records`)."""

_Stamp = tuple[tuple[str, int, int], ...]


def refusals(folder: Path) -> dict[str, str]:
    """Return the first reason against each record that is refused, by file name.

    What only a submission needs, as seeds and a commit, is none. The whole folder is checked at once, since records are
    compared with their neighbours, and again only when a file of it has changed: all papers are judged by one check.

    Args:
        folder: Of records, which need not exist.
    """
    stats = [(path.name, path.stat()) for path in record_paths(folder)]
    return _refusals(folder.absolute(), tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


@lru_cache(maxsize=1)
def _refusals(folder: Path, stamp: _Stamp) -> dict[str, str]:
    from harness.audit import submission  # it imports torch

    found = submission.check(folder / name for name, *_ in stamp)
    own = {
        path.name: [each for each in reasons if not each.startswith(_OF_SUBMISSIONS)] for path, reasons in found.items()
    }
    return {name: reasons[0] for name, reasons in own.items() if reasons}
