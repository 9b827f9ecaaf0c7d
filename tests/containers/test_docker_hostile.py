"""A method's code can do what it likes inside; it must stay inside, and must not be believed.

The programs stand for a method: code that runs in the worker's process, with all its rights.
"""

import json

import pytest

pytestmark = pytest.mark.docker

# The real worker, and then whatever a hostile method would do to what it leaves.
AFTERWARDS = """
import json, os, pathlib, sys, torch
from harness.training import network, worker
code = worker.work(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), lambda event: None)
left = pathlib.Path(sys.argv[2])
record = json.loads((left / "record.json").read_text())
final = left / network.FINAL
{crime}
(left / "record.json").write_text(json.dumps(record))
sys.exit(code)
"""


def test_a_forged_accuracy_is_refused_and_nothing_of_it_published(lab):
    record = lab.run(program=AFTERWARDS.format(crime="record['metrics']['test_accuracy'] = 1.0"))
    assert record["status"] == "invalid"
    assert "the outside refuses the record: test_accuracy is 1.0, measured 0." in record["reason"]
    assert record["metrics"]["test_accuracy"] is None
    assert record["topology"] == []


def test_a_score_of_a_run_that_is_not_done_is_not_published(lab):
    crime = "record.update(status='diverged', reason='so it says'); record['metrics']['test_accuracy'] = 1.0"
    record = lab.run(program=AFTERWARDS.format(crime=crime))
    assert (record["status"], record["reason"]) == ("diverged", "so it says")
    assert record["metrics"]["test_accuracy"] is None


def test_the_record_of_another_run_is_refused(lab):
    record = lab.run(program=AFTERWARDS.format(crime="record['key'] = '0' * 16"))
    assert record["status"] == "failed"
    assert "a record of another run: key is '0000000000000000'" in record["reason"]


def test_a_network_that_holds_code_is_not_run(lab):
    bomb = "type('Bomb', (), {'__reduce__': lambda self: (os.system, ('echo BOOM',))})()"
    record = lab.run(program=AFTERWARDS.format(crime=f"torch.save({bomb}, final)"))
    assert record["status"] == "invalid"
    assert "cannot be used" in record["reason"]


def test_a_link_out_of_the_folder_is_not_followed(lab, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"password": "x"}))
    program = f"import os, sys; os.symlink({str(secret)!r}, sys.argv[2] + '/record.json')"
    record = lab.run(program=program)
    assert record["status"] == "failed"
    assert "record.json cannot be read" in record["reason"]


def test_provenance_is_the_outsides(lab, image):
    crime = "record['provenance'].update(git_commit='f' * 40, image_id='sha256:1', hostname_hash='0' * 12)"
    record = lab.run(program=AFTERWARDS.format(crime=crime))
    assert record["status"] == "done"
    assert record["provenance"]["git_commit"] != "f" * 40
    assert record["provenance"]["image_id"] == image.id
    assert record["provenance"]["hostname_hash"] != "0" * 12


ESCAPES = {
    "connect to the network": "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)",
    "write to the project": "open('/sparsebench/methods/evil.py', 'w')",
    "write to the system": "open('/opt/venv/evil', 'w')",
    "write to the request": "open('/request.json', 'w')",
    "become root": "import os; os.setuid(0)",
    "mount": "import ctypes, os; assert ctypes.CDLL(None).mount(b't', b'/tmp', b'tmpfs', 0, None) == 0, 'refused'",
    "read the engine's socket": "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/var/run/docker.sock')",
}


@pytest.mark.parametrize("what", ESCAPES)
def test_a_method_cannot(lab, what):
    record = lab.run(program=f"{ESCAPES[what]}\nprint('ESCAPED')")
    assert record["status"] == "failed"
    assert "ESCAPED" not in lab.log()


def test_ten_thousand_processes_stay_below_the_limit(lab):
    program = (
        "import os, time\n"
        "started = 0\n"
        "for _ in range(10_000):\n"
        "    try:\n"
        "        child = os.fork()\n"
        "    except OSError as error:\n"
        "        print('STOPPED after', started, error); break\n"
        "    if child == 0:\n"
        "        time.sleep(600)\n"
        "    started += 1\n"
        "raise SystemExit(1)\n"
    )
    lab.run("runner.pids=64", program=program)
    (line,) = [line for line in lab.log().splitlines() if line.startswith("STOPPED")]
    assert int(line.split()[2]) < 64


def test_a_run_cannot_fill_the_disk(lab, monkeypatch):
    monkeypatch.setattr("harness.containers.supervise.LARGEST_FOLDER", 64 << 20)
    monkeypatch.setattr("harness.containers.supervise.FOLDER_POLL_SECONDS", 0.5)
    program = (
        "import sys, time\n"
        "for n in range(600):\n"
        "    open(f'{sys.argv[2]}/{n}', 'wb').write(bytes(4 << 20)); time.sleep(0.05)\n"
    )
    record = lab.run(program=program)
    assert record["status"] == "failed"
    assert "in its folder" in record["reason"]


# One weight of the first group of a layer moves to the second: as many as before, and none outside the masks.
MOVED = """
net = network.read(final)
name = next(name for name, mask in net.masks.items() if mask.shape[1] % 4 == 0)
mask = net.masks[name].view(-1, 4)
first, second = mask[0].nonzero()[0], (~mask[1]).nonzero()[0]
mask[0, first], mask[1, second] = False, True
weight = net.state[name].view(-1, 4)
weight[0, first] = 0
network.write(net, final)
record["metrics"]["nonzero"] = sum(int(net.state[each].count_nonzero()) for each in net.masks)
"""


def test_a_pattern_that_the_masks_do_not_have_is_refused(lab):
    overrides = ("method=sr_ste", "sparsity=0.5", "model=mlp")
    assert lab.run(*overrides, "seed=1")["status"] == "done"
    record = lab.run(*overrides, program=AFTERWARDS.format(crime=MOVED))
    assert record["status"] == "invalid"
    assert "2 groups of weights break the n:m pattern" in record["reason"]


def test_right_images_that_are_not_the_network_s_are_refused(lab):
    crime = (
        "from harness.records import bits\n"
        "right = bits.right(record)\n"
        "record['metrics']['test_right'] = bits.pack(right[::-1])"
    )
    record = lab.run(program=AFTERWARDS.format(crime=crime))
    assert record["status"] == "invalid"
    assert "samples were classified otherwise than it says" in record["reason"]
    assert record["metrics"]["test_right"] is None


@pytest.mark.parametrize("crime", ["['ece'] = 0.0", "['corruptions']['jpeg'][1] = 1.0"])
def test_a_reliability_that_is_not_the_network_s_is_refused(lab, crime):
    record = lab.run("corruptions=true", program=AFTERWARDS.format(crime=f"record['reliability']{crime}"))
    assert record["status"] == "invalid"
    assert "the outside refuses the record: reliability." in record["reason"]
    assert "reliability" not in record
