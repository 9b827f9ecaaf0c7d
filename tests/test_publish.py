"""Publishing: what lies in the folder, what it may be called, publishing again, and the upload by the real client."""

import base64
import hashlib
import http.server
import json
import re
import shutil
import threading

import pytest
from records import make, resealed
from runs import small

from harness.audit import submission
from harness.cli import main
from harness.errors import UsageError
from harness.executors.execute import execute
from harness.networks.load import load_network
from harness.places import TREE
from harness.plan.planned import plan
from harness.publish import folder
from harness.publish.contents import gather
from harness.records import deployments, load, record_name, write

pytest.importorskip("pyarrow", reason="needs the extra publish")

import pandas as pd


def publish(*arguments):
    given = main.parse(["publish", *map(str, arguments)])
    return given.call(given)


def contents(folder):
    """Return every file of a folder by its path in it, without the board's own stamp."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Train one run, which leaves a network."""
    output = tmp_path_factory.mktemp("trained")
    run = small("rigl")
    run.output = str(output)
    (planned,) = plan([run])
    return execute(planned, lambda message: None)


@pytest.fixture
def output(tmp_path, network):
    """Make an output: runs in a container, local ones, one that failed, one with a network, and a file that is none."""
    records = [resealed(make(method, 0.9, seed, runner="docker")) for method in ("rigl", "set") for seed in (0, 1, 2)]
    records += [resealed(make("static", 0.9, seed)) for seed in (0, 1, 2)]
    records += [resealed(make("gmp", 0.9, 0, status="diverged", runner="docker"))]
    place = tmp_path / "results"
    for record in records:
        write(record, place / "records" / record_name(record))
    (place / "records" / "notes.json").write_text("[]")
    shutil.copy(network.path, place / "records")
    shutil.copytree(network.path.parent.parent / "networks", place / "networks")
    return place


def test_everything_is_there_and_called_what_it_is(output, tmp_path, capsys, network):
    folder = tmp_path / "out"
    assert publish("--to", folder, f"output={output}") == 0
    runs = pd.read_parquet(folder / "runs.parquet")
    assert len(runs) == 11
    assert set(runs["method"][runs["verified"]]) == {"rigl", "set"}
    assert runs["verified"].sum() == 6
    assert (runs["runner"][runs["verified"]] == "docker").all()
    (failed,) = runs[runs["status"] == "diverged"].to_dict("records")
    assert not failed["verified"]
    assert failed["reason"]
    for name, path in {path.name: path for path in (output / "records").iterdir() if path.name != "notes.json"}.items():
        assert (folder / "records" / name).read_bytes() == path.read_bytes()
    assert not (folder / "records" / "notes.json").exists()
    (kept,) = runs["network_file"].dropna()
    assert load_network(folder / kept).about["key"] == network.record["key"]
    curves, layers = (pd.read_parquet(folder / f"{name}.parquet") for name in ("curves", "layers"))
    assert set(curves["key"]) == {record["key"] for record in map(load, folder.glob("records/*")) if record["curve"]}
    assert set(layers["key"]) <= set(runs["key"])
    said = capsys.readouterr()
    assert "11 runs: 10 done, 6 of them verified" in said.out
    assert "1 network, " in said.out
    assert "notes.json" in said.err


def test_a_record_that_check_refuses_says_so_and_is_not_verified(output, tmp_path):
    path = next((output / "records").glob("*rigl-0.9-s1*"))
    record = load(path)
    record["cost"]["train_flops"] -= 1
    write(record, path)
    publish("--to", tmp_path / "out", f"output={output}")
    runs = pd.read_parquet(tmp_path / "out" / "runs.parquet").set_index("file")
    assert not runs.loc[path.name, "verified"]
    assert "train_flops" in runs.loc[path.name, "check"]
    assert set(runs["check"][runs["verified"]]) == {"passes"}


def test_a_network_that_is_not_its_record_s_is_left_out_by_name(output, tmp_path, capsys):
    (path,) = (output / "networks").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    publish("--to", tmp_path / "out", f"output={output}")
    assert not (tmp_path / "out" / "networks").exists()
    assert pd.read_parquet(tmp_path / "out" / "runs.parquet")["network_file"].isna().all()
    assert f"left out: {path.name}: network:" in capsys.readouterr().err


def test_measurements_of_networks_are_published_with_them(output, tmp_path, capsys, network):
    given = main.parse(["reliability", network.path.stem, f"output={output}"])
    assert given.call(given) == 0
    (output / "deploy").mkdir()
    (output / "deploy" / "forged.json").write_text("{}")
    publish("--to", tmp_path / "out", f"output={output}")
    measured = f"{network.record['key']}.json"
    source, copied = (place / "reliability" / measured for place in (output, tmp_path / "out"))
    assert copied.read_bytes() == source.read_bytes()
    assert not (tmp_path / "out" / "deploy").exists()
    assert "left out: deploy/forged.json: " in capsys.readouterr().err


def test_a_measurement_of_another_network_is_not_published(output, tmp_path, capsys, network):
    given = main.parse(["deploy", network.path.stem, "--repeats", "7", f"output={output}"])
    assert given.call(given) == 0
    (path,) = (output / "deploy").iterdir()
    publish("--to", tmp_path / "out", f"output={output}")
    assert (tmp_path / "out" / "deploy" / path.name).read_bytes() == path.read_bytes()
    foreign = json.loads(path.read_text())
    foreign["network"]["sha256"] = "0" * 64
    path.unlink()
    path = deployments.write(foreign, output)
    publish("--to", tmp_path / "out", f"output={output}")
    assert not list((tmp_path / "out" / "deploy").iterdir())
    assert f"left out: deploy/{path.name}: was measured with another network" in capsys.readouterr().err


def test_nothing_is_said_of_a_record_that_was_not_checked(output, tmp_path):
    checked = gather(output)
    path = next((output / "records").glob("*rigl-0.9-s1*"))
    write({**load(path), "runner": "local"}, path)  # by a run that went on
    with pytest.raises(UsageError, match="has changed meanwhile: publish again"):
        folder.write(checked, tmp_path / "out")
    assert not (tmp_path / "out" / "runs.parquet").exists()
    path.rename(tmp_path / "out" / "records" / "added.json")  # by hand
    with pytest.raises(UsageError, match=r"its record 'added\.json' is not in"):
        publish("--to", tmp_path / "out", f"output={output}")
    (tmp_path / "out" / "records" / "added.json").unlink()
    assert publish("--to", tmp_path / "out", f"output={output}") == 0
    assert not (tmp_path / "out" / "records" / path.name).exists()


def test_published_records_check_and_make_the_same_board(output, tmp_path):
    folder = tmp_path / "out"
    (output / "standing.yaml").write_text((TREE / "standing.yaml").read_text() + "# ours\n")
    publish("--to", folder, f"output={output}")
    assert (folder / "standing.yaml").read_bytes() == (output / "standing.yaml").read_bytes()
    runs = pd.read_parquet(folder / "runs.parquet").set_index("file")["check"]
    for path, reasons in submission.check((folder / "records").iterdir()).items():
        assert ("; ".join(reasons) or "passes") == runs[path.name]
    before = (folder / "leaderboard.csv").read_bytes()
    given = main.parse(["leaderboard", f"output={folder}"])
    given.call(given)
    assert (folder / "leaderboard.csv").read_bytes() == before


def test_the_list_of_files_is_complete_and_right(output, tmp_path):
    folder = tmp_path / "out"
    publish("--to", folder, f"output={output}")
    listed = json.loads((folder / "published.json").read_text())
    found = contents(folder)
    del found["published.json"]
    assert listed == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(found.items())
    }


def test_publishing_again_changes_nothing_and_follows_what_has_changed(output, tmp_path, capsys):
    folder = tmp_path / "out"
    publish("--to", folder, f"output={output}")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    publish("--to", folder, f"output={output}")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert "0 new or changed, 0 removed" in capsys.readouterr().out
    gone = next((output / "records").glob("*-set-0.9-s1*"))
    gone.unlink()
    publish("--to", folder, "--without-networks", f"output={output}")
    assert not (folder / "records" / gone.name).exists()
    assert not list((folder / "networks").glob("*"))
    assert ", 2 removed" in capsys.readouterr().out
    assert gone.name not in json.loads((folder / "published.json").read_text())


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("results", "is the output itself"),
        ("results/records", "is the output itself"),
        (".", "is the output itself"),
        ("other", "holds no publication"),
        ("hub", "write hub:USER/NAME"),
        ("hub:me", "write hub:USER/NAME"),
        ("", "--to is empty"),
    ],
)
def test_where_nothing_may_be_published(output, tmp_path, monkeypatch, to, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=re.escape(said)):
        publish("--to", to, f"output={output}")
    assert contents(tmp_path) == before


def test_an_output_without_records_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no records"):
        publish("--to", tmp_path / "out", f"output={tmp_path}")
    (tmp_path / "records").mkdir()
    with pytest.raises(UsageError, match="nothing to publish"):
        publish("--to", tmp_path / "out", f"output={tmp_path}")


class Hub(http.server.ThreadingHTTPServer):
    """A Hub of one data set in memory, which speaks as much of the protocol as the real client needs to upload."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.asked = {}

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        if "/tree/" in self.path:
            self._say(
                [
                    {"type": "file", "path": name, "size": len(text), "oid": _oid(text)}
                    for name, text in hub.files.items()
                ]
            )
        else:
            self._say({"id": "me/results", "sha": "0" * 40, "siblings": [{"rfilename": name} for name in hub.files]})

    def do_POST(self):
        hub, body = self.server, self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            hub.asked = json.loads(body)
            self._say({"url": f"{hub.address}/datasets/me/results", "id": "me/results"})
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            asked = [file["path"] for file in json.loads(body)["files"]]
            self._say({"files": [{"path": name, **modes, "oid": _oid(hub.files.get(name))} for name in asked]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    hub.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del hub.files[value["path"]]
            hub.commits += 1
            self._say(
                {
                    "success": True,
                    "commitOid": "0" * 40,
                    "commitUrl": f"{hub.address}/datasets/me/results/commit/{'0' * 40}",
                }
            )
        else:
            self.send_error(404)

    def _say(self, value):
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def _oid(content):
    """Return what git names a file's content."""
    return content and hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub():
    with Hub() as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def test_the_hub_has_the_same_files_as_the_folder_and_follows_it(output, tmp_path, hub):
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    from harness.publish.hub import upload

    folder = tmp_path / "out"
    publish("--to", folder, f"output={output}")
    assert "/commit/" in upload(folder, "me/results", private=True, endpoint=hub.address)
    assert hub.asked.get("private") or hub.asked["visibility"] == "private"
    assert hub.files == contents(folder)
    upload(folder, "me/results", endpoint=hub.address)
    assert hub.commits == 1
    next((output / "records").glob("*-set-0.9-s1*")).unlink()
    publish("--to", folder, f"output={output}")
    upload(folder, "me/results", endpoint=hub.address)
    assert hub.commits == 2
    assert hub.files == contents(folder)


def test_a_hub_that_does_not_answer_is_an_error_in_one_line(tmp_path):
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    from harness.publish.hub import upload

    with pytest.raises(UsageError, match=r"^hub:me/results: [^\n]+$"):
        upload(tmp_path, "me/results", endpoint="http://127.0.0.1:9")
