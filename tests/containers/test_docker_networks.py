"""The network of a run in a container: what the referee has judged, copied from outside."""

import pytest

import sparsebench as sb
from harness import config
from harness.audit import kept
from harness.networks import keep
from harness.tasks.inputs import load_data
from harness.tasks.score import evaluate

pytestmark = pytest.mark.docker

LIES = """
import json, sys
from harness.training import worker
from pathlib import Path

ended = worker.main()
path = Path(sys.argv[2]) / "record.json"
record = json.loads(path.read_text())
record["network"] = {"bytes": 1, "sha256": "0" * 64}
path.write_text(json.dumps(record))
sys.exit(ended)
"""


@pytest.mark.parametrize("program", [None, LIES], ids=["honest", "lies about its network"])
def test_the_network_of_a_container_gives_the_referee_s_accuracy(lab, program):
    record = lab.run(program=program)
    assert record["status"] == "done"
    path = keep.path_of(lab.folder, record["key"])
    assert record["network"] == keep.seal(path.read_bytes())._asdict()
    assert kept.refusals(lab.folder, record) == []
    test = load_data(config.from_dict(record["config"] | {"device": "cpu"})).test
    assert evaluate(sb.load_network(path).model, test).accuracy == record["metrics"]["test_accuracy"]


def test_the_referee_s_findings_of_a_network_of_many_layers_arrive_whole(lab):
    record = lab.run("model=resnet20", "method=rigl", "budget=steps:2")
    assert (record["status"], record["reason"]) == ("done", None)
    network = sb.load_network(keep.path_of(lab.folder, record["key"]))
    assert set(record["metrics"]["layer_density"]) == set(network.masks)
