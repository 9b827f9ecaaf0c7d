"""Processes that the fork server starts (`harness.runners.forkserver`), as the harness holds them."""

import atexit
import getpass
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Self

from harness.runners.forkserver import GRACE_SECONDS, NUMBER, kill_group, main


class Process:
    """A process that calls a function with its end of a connection and other arguments.

    Attributes:
        connection: This end; the other is the function's first argument.
        exitcode: Its exit status, negative for a signal; None while it runs.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Prepare; nothing is started yet.

        Args:
            function: A function of a module's top level. What it returns is the exit status, None is 0.
            arguments: What it gets after its connection; they are pickled.
        """
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self.exitcode: int | None = None
        self._call = pickle.dumps((function, arguments))
        self._pid: int | None = None
        self._status, status = os.pipe()
        self._theirs = [theirs.detach(), status]

    def start(self) -> Self:
        """Start it, and the server if there is none."""
        try:
            _server.fork(self, self._theirs)
        finally:
            self._drop_theirs()
        with suppress(BrokenPipeError, ConnectionResetError):  # seen as its end
            self.connection.send_bytes(pickle.dumps((os.getcwd(), _environment(), sys.path, self._call)))
        return self

    @property
    def pid(self) -> int | None:
        """Its process ID; None if it could not be started. Waits for the server to fork it."""
        while self._pid is None and self.exitcode is None:
            self._read()
        return self._pid

    def fileno(self) -> int:
        """Return the descriptor that is readable once it has started or ended."""
        return self._status

    def wait(self, timeout: float | None = None) -> bool:
        """Wait so many seconds for its end; return whether it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.exitcode is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._status], [], [], left)[0]:
                return False
            self._read()
        return True

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        self._drop_theirs()
        if not self.wait(0) and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End it: with SIGTERM, or with SIGKILL after ``grace`` seconds; then let go of it."""
        deadline = time.monotonic() + grace
        # Told again each second: a process may not have been ready to hear it at first.
        while not self.wait(0) and time.monotonic() < deadline:
            self.send_signal(signal.SIGTERM)
            self.wait(min(1.0, grace))
        self.send_signal(signal.SIGKILL)
        self.wait()
        self.connection.close()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1
        _server.forget(self)

    def _read(self) -> None:
        """Take the next number from the status pipe."""
        read = os.read(self._status, NUMBER.size)
        if not read:  # the server is gone, and the kernel has killed what it had forked, but not what that forked
            self.exitcode = 1 if self._pid is None else -signal.SIGKILL
            if self._pid is not None:
                kill_group(self._pid)
        elif self._pid is None:
            (self._pid,) = NUMBER.unpack(read)
        else:
            (self.exitcode,) = NUMBER.unpack(read)

    def _drop_theirs(self) -> None:
        while self._theirs:
            os.close(self._theirs.pop())


def begin() -> None:
    """Start the server, which then imports what runs need while this process does something else."""
    _server.begin()


def unfinished() -> list[Process]:
    """Return the processes that were started and not yet stopped."""
    return list(_server.processes)


class _Server:
    """This process's fork server, started when it is first needed."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._lock = threading.Lock()
        self._program: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self, process: Process, descriptors: list[int]) -> None:
        """Have a process forked that gets these file descriptors."""
        with self._lock:
            self.processes.append(process)
            try:
                socket.send_fds(self._control or self._launch(), [b"+"], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it was killed
                socket.send_fds(self._launch(), [b"+"], descriptors)

    def begin(self) -> None:
        """Start it unless it was started before."""
        with self._lock:
            if self._control is None:
                self._launch()

    def forget(self, process: Process) -> None:
        """Take note that a process was stopped."""
        with suppress(ValueError):
            self.processes.remove(process)

    def close(self) -> None:
        """End the server; what it has forked is stopped."""
        if self._program is None or self._control is None:
            return
        self._control.close()
        if not self.processes:
            self._program.kill()  # it may still be importing
            self._program.wait()

    def _launch(self) -> socket.socket:
        _open_standard_streams()
        if self._program is not None and self._control is not None:
            self._control.close()
            self._program.wait()
        self._control, theirs = socket.socketpair()
        with theirs:
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; from {main.__module__} import main; main({theirs.fileno()})"
            )
            # A session of its own: Ctrl-C and the end of a terminal are the harness's to pass on.
            self._program = subprocess.Popen(
                [sys.executable, "-c", code],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self._control


def _environment() -> dict[str, str]:
    """Return the environment, with a name for a user who has none: torch asks for it."""
    environment = dict(os.environ)
    try:
        getpass.getuser()
    except (KeyError, OSError):
        environment["USER"] = f"uid{os.getuid()}"
    return environment


def _open_standard_streams() -> None:
    """Open those of the three standard streams that are closed: sockets would get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for number in range(3):  # what Python opens is not
        os.set_inheritable(number, True)


_server = _Server()
atexit.register(_server.close)
