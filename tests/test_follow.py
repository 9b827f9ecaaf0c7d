"""Following an executor: whatever goes wrong while runs are shown, they are stopped and waited for."""

import dataclasses

import pytest
from runs import small

from harness.cli import follow
from harness.cli.display import Display, validation
from harness.executors.local import LocalExecutor
from harness.plan.planned import plan
from harness.records import load_files
from harness.records.metrics import ACCURACY, BITS_PER_BYTE


def test_runs_are_stopped_and_recorded_when_the_display_fails(tmp_path, monkeypatch):
    def fail(*given):
        raise ValueError("cannot be shown")

    monkeypatch.setattr(Display, "_print", fail)
    runs = plan(
        [dataclasses.replace(small("static", "epochs:5000", seed=seed), output=str(tmp_path)) for seed in (0, 1)]
    )
    with pytest.raises(ValueError, match="cannot be shown"):
        follow.follow(LocalExecutor(), runs, [[run] for run in runs])
    records, _ = load_files(tmp_path / "records")
    assert [record["status"] for record in records.values()] == ["interrupted"]


@pytest.mark.parametrize(
    ("samples", "said"), [(1, "100.00% of 1"), (99, "100.00% of 99"), (100, "100.00%"), (None, "100.00%")]
)
def test_an_accuracy_on_few_validation_samples_says_on_how_many(samples, said):
    assert validation(ACCURACY, 1.0, samples) == said
    assert validation(BITS_PER_BYTE, 1.0, samples) == "1.0000"
