"""``sparsebench doctor``: what a run would see of a data set, and whether a method or a model does as it must."""

import argparse
import json
import textwrap
from typing import TYPE_CHECKING, Any

from harness.cli import layout
from harness.cli.arguments import DONE, FAILED, OVERRIDES
from harness.console import printable

if TYPE_CHECKING:
    from harness.config import RunConfig


_SUBJECTS = ("data", "method", "model")
_LABEL = 13  # columns before what is said
_MOST_CLASSES = 12  # listed one by one
_MOST_BROKEN = 10
_VERDICTS = {True: "holds", False: "FAILS", None: "-"}


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("subject", choices=_SUBJECTS, help="what to look at")
    named = "for a method or a model, first its NAME, path/file.py:OBJECT or package.module:OBJECT; then "
    command.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=named + OVERRIDES)
    full = "data: decode every image file, and compare train with test"
    command.add_argument("--full", action="store_true", help=full)
    command.add_argument("--json", action="store_true", help="print a JSON object")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status: 1 if a run would be refused, or something does not hold."""
    if given.subject != "data":
        return _conform(given)
    from harness import config

    run = config.resolve(given.overrides)
    # Imported once the settings are known to be good: torch takes seconds.
    from harness.tasks.data.doctor import Doctor

    doctor = Doctor(vars(run.dataset), run.recipe.batch_size, run.recipe.augment, run.loader, given.full)
    report = doctor.examine() | _task(run)
    if not report["refused"]:
        _add_run(report, run, doctor.config)
    if given.json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        columns = min(layout.width() or 80, 120)
        for label, text in _lines(report):
            print(_wrapped(label, printable(text), columns))
    return FAILED if report["refused"] else DONE


def _task(run: "RunConfig") -> dict[str, str]:
    """Say what networks are trained for, where that is no classification."""
    from harness.records import metrics

    if run.dataset.task == metrics.CLASSIFICATION:
        return {}
    metric = metrics.of_dataset(vars(run.dataset))
    return {"task": f"{run.dataset.task}: {metric.label}, {metric.better} is better"}


def _conform(given: argparse.Namespace) -> int:
    """Check a method or a model, and print what holds as it is found."""
    from harness.conformance.subject import FORMS
    from harness.errors import UsageError, short

    what, *overrides = given.overrides or [""]
    if not what or ("=" in what and ":" not in what):
        said = f", not {short(what)}" if what else ""
        raise UsageError(f"doctor {given.subject}: first comes what to check{said}: {FORMS}")
    if given.full:
        raise UsageError("--full is of doctor data")
    # Imported once the command line is known to be good: torch takes seconds.
    from harness.conformance.kit import Examination

    examined = Examination(given.subject, what, overrides)
    columns = min(layout.width() or 80, 120)
    findings = []
    for finding in examined.findings():
        findings.append(finding)
        if not given.json:
            print(
                _wrapped(_VERDICTS[finding.holds], printable(f"{finding.name}: {finding.found}"), columns), flush=True
            )
    holds = all(finding.holds for finding in findings)
    if given.json:
        report = {given.subject: what, "runs": examined.runs, "holds": holds}
        print(json.dumps({**report, "checks": [vars(each) for each in findings]}, indent=1, ensure_ascii=False))
    else:
        print(_wrapped("runs", printable(examined.runs), columns))
    return DONE if holds else FAILED


def _add_run(report: dict[str, Any], run: "RunConfig", dataset: Any) -> None:
    """Add what the model and the budget say to these data."""
    from harness.config import DatasetConfig
    from harness.errors import UsageError
    from harness.training import contract, reproducible
    from harness.training.prepare import prepare, sized

    run.dataset = DatasetConfig(**dataset)
    try:
        report["notes"] = list(sized(run).notes)
        if not report["refused"]:
            reproducible.require(run)
            contract.require(run, prepare(run).model)
    except UsageError as error:
        report["refused"].append(str(error))


def _lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is said, with a label each."""
    lines = [("data set", report["dataset"] + (f" in {report['folder']}" if report["folder"] else ""))]
    if "task" in report:
        lines.append(("task", report["task"]))
    if "split" in report:
        lines += _contents(report)
    for note in report.get("notes", []):
        lines.append(("note", note))
    for reason in report["refused"]:
        lines.append(("refused", reason))
    if not report["refused"]:
        lines.append(("", "a run would be trained on these data"))
    return lines


def _contents(report: dict[str, Any]) -> list[tuple[str, str]]:
    split, batches, inputs = report["split"], report["batches"], report["inputs"]
    known = f" (of {report['known_by']})" if "known_by" in report else ""
    lines = [("fingerprint", f"{report['fingerprint']}{known}")]
    if "formats" in report:
        lines += _files(report)
    lines += [
        ("split", ", ".join(f"{split[part]:,} {part}" for part in ("train", "val", "test"))),
        *_classes(report["classes"]),
        ("batches", f"{batches['per_epoch']:,} of {batches['batch_size']} an epoch, the last of {batches['last']}"),
        ("inputs", f"{inputs['shape']}" + (f", mean {inputs['mean']}, std {inputs['std']}" if inputs["mean"] else "")),
    ]
    if "verbatim" in report:
        tested = f"{report['verbatim']:,} of {split['test']:,} test windows"
        lines.append(("repeated", f"{tested} stand in the training text, byte for byte"))
    if report["measured"]:
        lines.append(("measured", f"mean {report['measured']['mean']}, std {report['measured']['std']}"))
    return lines


def _files(report: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("files", f"{_counts(report['formats'])}; {report['bytes']:,} bytes"),
        ("colours", _counts(report["modes"])),
        ("odd", _counts(report["oddities"])),
        ("skipped", _counts(report["skipped"])),
    ]
    if report["sizes"]:
        (least, middle, most), (low, centre, high) = report["sizes"]["width"], report["sizes"]["height"]
        lines.append(("sizes", f"{least} to {most} wide, {low} to {high} high, median {middle}x{centre}"))
    broken = report["broken"]
    lines.append(("broken", f"{len(broken):,}" if report["decoded"] else f"{len(broken):,} (--full decodes all files)"))
    lines += [("", f"{each['path']}: {each['reason']}") for each in broken[:_MOST_BROKEN]]
    if len(broken) > _MOST_BROKEN:
        lines.append(("", f"and {len(broken) - _MOST_BROKEN:,} more (--json names all)"))
    if repeated := report["repeated"]:
        first = f"the first is {repeated[0]['test']}, as {repeated[0]['train']}"
        lines.append(("repeated", f"{len(repeated):,} test files are also training files; {first}"))
    return lines


def _classes(classes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Say the counts of a few classes one by one, of many by their range."""
    sizes = {part: sorted(each[part] for each in classes) for part in ("train", "val", "test")}
    if len(classes) > _MOST_CLASSES:
        ranges = (f"{values[0]:,} to {values[-1]:,} {part}" for part, values in sizes.items())
        return [("classes", f"{len(classes):,} of {', '.join(ranges)} samples each (--json lists them)")]
    lines = [f"{each['name']}: " + ", ".join(f"{each[part]:,} {part}" for part in sizes) for each in classes]
    return [("" if at else "classes", line) for at, line in enumerate(lines)]


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in numbers.items()) or "none"


def _wrapped(label: str, text: str, columns: int) -> str:
    """Return a label and its text, wrapped under where the text begins."""
    return textwrap.fill(
        text,
        columns,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
