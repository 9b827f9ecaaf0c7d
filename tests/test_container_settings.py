"""Limits and pins that are checked before any engine is queried."""

import json
import re
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer

import pytest

from harness import config
from harness.config import RunnerConfig
from harness.containers import box
from harness.containers.content import SUITE, ImageError, ImageFiles, Pins
from harness.containers.engine import Engine
from harness.errors import UsageError
from harness.runners.choose import choose

OF_ROOT = Engine(podman=False, rootless=False, unkept=())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("memory", "much", "runner.memory 'much' is not a size"),
        ("memory", "8", "runner.memory '8' is not a size"),
        ("memory", "1m", "is too little to start a container"),
        ("shm", "-2g", "runner.shm '-2g' is not a size"),
        ("cpus", 0.0, "runner.cpus 0.0 is not in"),
        ("cpus", 4096.0, "runner.cpus 4096.0 is not in"),
        ("cpus", float("nan"), "runner.cpus nan is not in"),
        ("pids", 1, "runner.pids 1 is too few"),
        ("timeout", -1.0, "runner.timeout -1.0 is not a positive number"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(field, value, message):
    with pytest.raises(UsageError, match=message):
        box.check(RunnerConfig(name="docker", **{field: value}), OF_ROOT)


def test_the_defaults_are_allowed():
    box.check(RunnerConfig(name="docker"), OF_ROOT)


def test_threads_follow_a_limit_on_cpus_but_not_against_the_callers_word(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in box.environment(RunnerConfig(name="docker"))
    assert box.environment(RunnerConfig(name="docker", cpus=1.5))["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert box.environment(RunnerConfig(name="docker", cpus=1.5))["OMP_NUM_THREADS"] == "7"


def test_the_committed_pins_are_those_of_the_committed_files():
    pins = ImageFiles(SUITE).current_pins()
    assert "@sha256:" in pins.base
    assert pins.content == ImageFiles(SUITE).content()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "Dockerfile").write_text("ARG SPARSEBENCH\nFROM ${SPARSEBENCH}\n")
    (tmp_path / "requirements.lock").write_text("tqdm==4.0 --hash=sha256:00\n")
    files = ImageFiles(tmp_path)
    files.pin()
    return files


@pytest.mark.parametrize("name", ["Dockerfile", "requirements.lock"])
def test_a_changed_dockerfile_or_lock_is_refused_until_it_is_pinned_again(files, name):
    path = files.folder / name
    path.write_text(path.read_text() + "# changed\n")
    with pytest.raises(ImageError, match=r"images\.lock pins content .* run `sparsebench image .* --pin` and commit"):
        files.current_pins()
    files.pin()
    assert files.current_pins().content == files.content()


def test_other_files_do_not_change_the_content(files):
    before = files.content()
    (files.folder / "README.md").write_text("words")
    assert files.content() == before


def test_a_new_pin_forgets_the_image_published_for_the_old_one(files):
    pins = files.pins()
    published = {"base": pins.base, "content": pins.content, "published": "registry/image@sha256:00"}
    (files.folder / "images.lock").write_text(json.dumps(published))
    assert files.pin() == Pins(**published), "nothing changed"
    files.dockerfile.write_text(files.dockerfile.read_text() + "ENV X=1\n")
    assert files.pin().published is None


def test_a_methods_image_must_start_from_the_suites(files):
    files.dockerfile.write_text("ARG SPARSEBENCH\nFROM ${SPARSEBENCH} AS a\nFROM debian:latest\n")
    with pytest.raises(ImageError, match=r"must say FROM \$\{SPARSEBENCH\} and nothing else"):
        files.pin()


def test_a_folder_without_a_dockerfile_is_named(tmp_path):
    with pytest.raises(ImageError, match="no Dockerfile in"):
        ImageFiles(tmp_path).content()


def test_auto_says_why_it_stays_local(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    choice = choose(config.resolve(["runner=auto"]))
    assert choice.name == "local"
    assert choice.image is None
    assert choice.why.startswith("runner local, not verified: no container engine answers")
    assert "\n" not in choice.why


def test_docker_that_was_asked_for_is_not_replaced(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(UsageError, match=r"^runner=docker: no container engine answers .*none\.sock"):
        choose(config.resolve(["runner=docker"]))


class Engines(BaseHTTPRequestHandler):
    """Answers as an engine does, but for one path: that gets a status, or None and no answer at all."""

    def do_GET(self):
        for path, status in self.server.refused.items():
            if path in self.path:
                return self._say(status, {"message": "not for you"}) if status else None
        return self._say(200, {"ApiVersion": "1.41", "Components": [{"Name": self.server.kind}]})

    def _say(self, status, answer):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


@contextmanager
def engine_that_refuses(kind, refused):
    """Run one of Docker's or Podman's kind on a socket; its path may be no longer than 108 characters."""
    with tempfile.TemporaryDirectory() as folder, ThreadingUnixStreamServer(f"{folder}/s", Engines) as server:
        server.kind, server.refused = kind, refused
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"unix://{folder}/s"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("kind", "path", "status", "said"),
    [
        ("Engine", "/info", 403, "not for you"),
        ("Engine", "/info", None, ".*closed connection without response"),
        ("Podman Engine", "/libpod/info", 500, "500 Server Error"),
        ("Engine", "/images/", 500, "not for you"),
    ],
)
def test_an_engine_that_answers_a_ping_alone_is_gone_without(monkeypatch, kind, path, status, said):
    with engine_that_refuses(kind, {path: status}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        choice = choose(config.resolve(["runner=auto"]))
        assert choice.name == "local"
        why = rf"^runner local, not verified: the engine does not describe itself or its images: {said}"
        assert re.search(why, choice.why)
        with pytest.raises(UsageError, match=r"^runner=docker: the engine does not describe itself"):
            choose(config.resolve(["runner=docker"]))
