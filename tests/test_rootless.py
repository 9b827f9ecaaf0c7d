"""Engines that run as an ordinary user: what they cannot keep is said, and what they make is the caller's.

The tests start Podman as a user of this machine; where they run as root, as a user without an entry in the passwd file.
They use an image of a shell alone. If SPARSEBENCH_ROOTLESS names the socket of a rootless engine that has the suite's
image (``unix:///run/user/1000/podman/podman.sock``), a whole run is trained in it too.
"""

import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.config import RunnerConfig
from harness.containers import box, engine
from harness.containers.engine import Engine
from harness.errors import UsageError
from harness.places import ROOT

NOBODY = 43210
"""An ID that no passwd file names."""

BARE = Engine(podman=True, rootless=True, unkept=("memory", "cpus", "pids"))
FULL = Engine(podman=True, rootless=True, unkept=())
REFUSED = "connection refused (is the engine running?)"


def test_the_sockets_that_were_tried_are_named(monkeypatch, tmp_path):
    stale = tmp_path / "docker.sock"
    stale.touch()
    absent = tmp_path / "podman.sock"
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "_sockets", lambda: [stale, absent])
    with pytest.raises(engine.NoEngineError) as refused:
        engine.connect()
    said = str(refused.value)
    assert re.search(rf"unix://{stale}: connection refused .*; no socket at {absent}; DOCKER_HOST is not set\)$", said)
    assert "\n" not in said


@pytest.mark.parametrize("chosen", [True, False])
def test_a_socket_in_a_folder_that_is_closed_to_the_user_is_none(user, chosen):
    closed = user.home / "closed"
    closed.mkdir()
    closed.chmod(0)
    environment = {"XDG_RUNTIME_DIR": str(closed)}
    if chosen:
        environment["DOCKER_HOST"] = f"unix://{user.home}/none.sock"
    program = "from harness.containers import engine\ntry: engine.connect()\nexcept engine.NoEngineError as e: print(e)"
    status, said, err = user.run(user.python, "-c", program, environment=environment)
    closed.rmdir()
    assert (status, err) == (0, "")
    if chosen:
        assert said == f"no container engine answers (unix://{user.home}/none.sock: {REFUSED})\n"
    elif said:  # no engine of the machine lets the user in
        assert f"no socket at {closed}/docker.sock, {closed}/podman/podman.sock" in said


def test_the_sockets_are_those_of_both_engines_of_root_and_of_the_user(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert list(map(str, engine._sockets())) == [
        "/var/run/docker.sock",
        "/run/user/7/docker.sock",
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    ]


@pytest.mark.parametrize(("name", "value"), [("memory", "4g"), ("cpus", 1.0), ("pids", 100)])
def test_a_chosen_limit_that_cannot_be_kept_is_refused(name, value):
    limits = RunnerConfig(name="docker", **{name: value})
    with pytest.raises(UsageError, match=f"runner.{name} {value!r} cannot be kept: the rootless container engine"):
        box.check(limits, BARE)
    box.check(limits, FULL)
    box.check(RunnerConfig(name="docker"), BARE)


def test_only_limits_that_are_kept_are_handed_to_the_engine():
    limits = RunnerConfig(name="docker", memory="1g", cpus=1.0, pids=100)
    whole = {"mem_limit": "1g", "memswap_limit": "1g", "nano_cpus": 10**9, "pids_limit": 100}
    assert box._kept(limits, FULL) == whole
    assert box._kept(limits, Engine(True, True, ("cpus", "memory"))) == {"pids_limit": 100}
    assert box._kept(limits, BARE) == {}


# What runs as the user: a container of the shell, as the harness makes it, and what the engine says of itself.
PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from harness.config import RunnerConfig
from harness.containers.box import Box
from harness.containers.engine import connect, describe
from harness.containers.output import Output
from harness.containers.supervise import supervise

folder, script, limits = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
client, lines = connect(), []
made = Box("sparsebench-rootless", sys.argv[4], ["/bin/sh", "-c", script], "0" * 16,
           RunnerConfig(name="docker", **limits), {}, {folder: "/left"})
with Output(lines.append, folder / "log.txt") as output:
    ending = supervise(client, made, output, 60)
said = [line["text"] for line in lines if line["event"] == "log"]
found = {"status": ending.status, "reason": ending.reason, "said": said, "left": len(client.containers.list(all=True))}
print(json.dumps({**asdict(describe(client)), **found}))
"""


@dataclass
class User:
    """A user who runs programs of this environment.

    Attributes:
        uid: Of the user, and the group.
        home: A folder of the user's own.
        python: An interpreter that the user may start.
    """

    uid: int
    home: Path
    python: str = sys.executable

    def popen(self, *command, **options):
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "PYTHONPATH": f"{ROOT}:{packages}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            **options.pop("environment", {}),
        }
        other = {"user": self.uid, "group": self.uid, "extra_groups": []} if self.uid != os.getuid() else {}
        return subprocess.Popen(command, env=environment, cwd=self.home, text=True, **other, **options)

    def run(self, *command, **options):
        """Return exit status, output and errors of a command."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(*command, **pipes, **options) as process:
            out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    def can_run(self, *command):
        try:
            return self.run(*command)[0] == 0
        except OSError:
            return False


@contextmanager
def _home(uid):
    """Make a folder that belongs to the user, which pytest's own do not let anybody else into."""
    with tempfile.TemporaryDirectory(prefix="sparsebench-rootless-") as home:
        os.chown(home, uid, uid)
        yield Path(home)


@pytest.fixture(scope="module")
def user():
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    if uid == NOBODY:
        with pytest.raises(KeyError):
            pwd.getpwuid(uid)
    with _home(uid) as home:
        yield _with_python(User(uid, home))


def _with_python(user):
    """Choose an interpreter: that of the tests may lie in a folder of root's own."""
    for user.python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if user.can_run(user.python, "-c", "import docker, harness.containers.supervise"):
            return user
    return pytest.skip(f"user {user.uid} cannot read this checkout or its environment")


@pytest.fixture(scope="module")
def podman(user):
    """The socket of a Podman that runs as the user."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    if not user.can_run("unshare", "--user", "--map-root-user", "true"):
        pytest.skip("this machine gives ordinary users no user namespaces")
    settings = user.home / ".config" / "containers"
    user.run("mkdir", "-p", "-m", "700", str(settings), str(user.home / "run"))
    # A user without subordinate IDs has one ID inside, which all files of an image then belong to.
    (settings / "storage.conf").write_text(
        '[storage]\ndriver = "overlay"\n[storage.options.overlay]\nignore_chown_errors = "true"\n'
    )
    # crun refuses machines that mount both versions of cgroups.
    (settings / "containers.conf").write_text('[engine]\nruntime = "runc"\n' if shutil.which("runc") else "")
    socket = user.home / "podman.sock"
    with (user.home / "service.log").open("w") as log:
        command = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
        service = user.popen(*command, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 60
    while not socket.exists():
        assert service.poll() is None, (user.home / "service.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield f"unix://{socket}"
    os.killpg(service.pid, signal.SIGTERM)  # it starts itself again in a user namespace
    service.wait(timeout=60)
    user.run("podman", "system", "reset", "--force")
    user.run("podman", "system", "migrate")  # ends the process that holds the user namespace


@pytest.fixture(scope="module")
def shell(podman):
    """The ID of an image of a shell and its libraries."""
    client = engine.docker.DockerClient(base_url=podman)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        linked = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
        for path in ["/bin/sh", *re.findall(r"(/\S+) \(0x", linked)]:
            tar.add(path)
    client.api.import_image_from_data(archive.getvalue(), repository="shell", tag="latest")
    return str(client.images.get("shell").id)


@pytest.fixture
def contained(user, podman, shell):
    """Run a script in a container as the user; return what it said and how it ended, and the folder that it left."""

    def run(script, **limits):
        folder = user.home / "left"
        shutil.rmtree(folder, ignore_errors=True)
        user.run("mkdir", str(folder))
        command = [user.python, "-c", PROGRAM, str(folder), script, json.dumps(limits), shell]
        status, out, err = user.run(*command, environment={"DOCKER_HOST": podman})
        return (json.loads(out) if status == 0 else err), folder

    return run


def test_a_container_of_a_user_without_a_name_is_walled_in_and_leaves_files_that_are_the_users(contained, user):
    script = """
    echo made >/left/made
    (echo x >/etc/x) 2>/dev/null || echo read-only
    while read -r name rest; do case $name in Cap*|NoNewPrivs:) echo "$name $rest";; esac; done </proc/self/status
    while read -r name rest; do case $name in *:*) echo "net $name";; esac; done </proc/self/net/dev
    while read -r inside outside many; do echo "map $inside $outside"; done </proc/self/uid_map
    """
    found, folder = contained(script)
    assert (found["status"], found["reason"], found["left"]) == (None, None, 0), found
    assert "read-only" in found["said"]
    assert [line for line in found["said"] if line.startswith("net")] == ["net lo:"]
    assert {line.split()[1] for line in found["said"] if line.startswith("Cap")} == {"0" * 16}
    assert "NoNewPrivs: 1" in found["said"]
    assert f"map 0 {user.uid}" in found["said"]
    assert (folder / "made").stat().st_uid == user.uid
    assert (folder / "made").read_text() == "made\n"


def test_an_engine_is_known_by_what_it_was_given(contained, user):
    found, _ = contained("true")
    status, out, _ = user.run("podman", "info", "--format", "{{json .Host.CgroupControllers}}")
    assert status == 0
    given = json.loads(out)
    assert (found["podman"], found["rootless"]) == (True, True)
    unkept = [limit for limit, (name, _) in engine.CONTROLLERS.items() if name not in given]
    assert found["unkept"] == unkept
    answer, _ = contained("true", memory="64m")
    if "memory" in unkept:
        assert "runner.memory '64m' cannot be kept" in answer
    else:
        assert answer["status"] is None


def test_root_does_not_use_the_engine_of_a_user(podman, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("needs root")
    from harness.runners.docker import available

    monkeypatch.setenv("DOCKER_HOST", podman)
    with pytest.raises(UsageError, match=r"^the engine is rootless, .*: run as that user$"):
        available()


def test_a_whole_run_in_a_rootless_engine_is_verified_and_its_files_are_the_users(user):
    address = os.environ.get("SPARSEBENCH_ROOTLESS")
    if not address:
        pytest.skip("SPARSEBENCH_ROOTLESS names no rootless engine that has the suite's image")
    uid = os.stat(address.removeprefix("unix://")).st_uid
    task = ["method=rigl", "dataset=digits", "budget=steps:40", "evaluations=2", "device=cpu", "recipe.threads=1"]
    records = {}
    with _home(uid) as home:
        owner = User(uid, home, user.python)
        for runner in ("docker", "local"):
            command = [user.python, "-m", "harness.cli", "run", *task, f"runner={runner}", f"output={home / runner}"]
            status, _, err = owner.run(*command, environment={"DOCKER_HOST": address})
            assert status == 0, err
            (path,) = (home / runner / "records").glob("*.json")
            records[runner] = json.loads(path.read_text())
        assert {path.stat().st_uid for path in home.rglob("*")} == {uid}
    inside, outside = records["docker"], records["local"]
    assert (inside["runner"], inside["status"]) == ("docker", "done")
    assert inside["metrics"] == outside["metrics"]
    assert inside["topology"] == outside["topology"]
