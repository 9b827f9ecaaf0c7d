"""The fork server: it imports what a run needs once and forks each run from there, which saves seconds a run.

`harness.runners.processes` starts it and sends, for each process, one byte with two file descriptors: the process's end
of its connection, whose first message says what to do, and a pipe for its process ID and exit status.

The server also sees to it that nothing is left behind. Each process leads a process group, which is killed when the
process ends, together with what it left outside the group. When the harness is gone, however it went, processes are
told to stop, then killed. When the server is gone, the kernel kills them.

Why not `multiprocessing`'s: it imports the caller's main program again in each child, so that a script which trains a
run would train it again; its socket lies in the temporary folder, whose path may be too long for one; and what it
forked outlives a harness that is killed.
"""

import ctypes
import importlib
import os
import pickle
import select
import signal
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

# torch.optim imports torch._dynamo as late as in an optimiser's constructor, which takes two seconds. No import runs an
# operator, so that no thread pool or CUDA context is forked.
# What a run imports only once it is a process of its own would be imported anew by each.
PRELOAD = (
    "harness.training.worker",
    "harness.runners.local",
    "torch._dynamo",
    "torch.utils.serialization",
    "jsonschema_rs",
)
GRACE_SECONDS = 60.0
"""For a run that is told to stop to end its step and write its checkpoint."""
NUMBER = struct.Struct("<q")
"""How the process ID and then the exit status (negative for a signal) are written into a status pipe."""

_QUIET = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(control: int) -> None:
    """Be the server, or a process that it forked; does not return.

    Args:
        control: File descriptor of the socket to the harness.
    """
    for number in _QUIET:  # the end of the harness is its end
        signal.signal(number, signal.SIG_IGN)
    for name in PRELOAD:
        importlib.import_module(name)
    importlib.import_module("methods.registry").import_own()
    # From here on a reader of the harness's errors need not wait for the server's end.
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    connection = Server(socket.socket(fileno=control)).serve()
    os._exit(0 if connection is None else call(connection))


class Server:
    """Forks on request and reports how processes ended."""

    def __init__(self, control: socket.socket) -> None:
        """Prepare to serve the harness at the other end of a socket."""
        self._control = control
        self._pid = os.getpid()
        self._status: dict[int, int] = {}  # process ID to the write end of its status pipe
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # What a run forked and left, even in a session of its own, becomes a child of this process and can be killed.
        _control_process(_PR_SET_CHILD_SUBREAPER, 1)

    def serve(self) -> Connection | None:
        """Serve until the harness is gone.

        Returns:
            In a forked process, its connection; in the server, at its end, None.
        """
        sources: list[socket.socket | int] = [self._control, self._woken]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._woken in ready:
                self._reap()
            if self._control in ready:
                _, descriptors, _, _ = socket.recv_fds(self._control, 1, 2, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
                if not descriptors:
                    self._stop_all()
                    return None
                channel, status = descriptors
                pid = os.fork()
                if pid == 0:
                    self._leave(status)
                    return Connection(channel)
                os.close(channel)
                self._status[pid] = status
                self._tell(status, pid)

    def _leave(self, status: int) -> None:
        """Become a process of its own."""
        signal.set_wakeup_fd(-1)
        for number in (*_QUIET, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _die_with(self._pid)
        self._control.close()
        for descriptor in (self._woken, self._waker, status, *self._status.values()):
            os.close(descriptor)

    def _reap(self) -> None:
        """Report the processes that have ended, and kill what they forked."""
        os.read(self._woken, 4096)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid not in self._status:
                    continue  # what a run had left
                kill_group(pid)
                self._kill_strangers()
                descriptor = self._status.pop(pid)
                self._tell(descriptor, os.waitstatus_to_exitcode(status))
                os.close(descriptor)

    def _kill_strangers(self) -> None:
        """Kill this process's children that it has not forked itself: their parents have ended.

        Also where another run that is still under way has left them: nothing that a run needs has lost its parent.
        """
        deadline = time.monotonic() + 1
        # Their own children become this process's in turn.
        while strangers := [pid for pid in _children(self._pid) if pid not in self._status]:
            for pid in strangers:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)

    def _stop_all(self) -> None:
        """Stop every process: gracefully, then by force."""
        deadline = time.monotonic() + GRACE_SECONDS
        # Told again each second: a process may not have been ready to hear it at first.
        while self._status and time.monotonic() < deadline:
            for pid in self._status:
                os.kill(pid, signal.SIGTERM)
            if select.select([self._woken], [], [], 1.0)[0]:
                self._reap()
        for pid in self._status:
            kill_group(pid)
        self._kill_strangers()

    @staticmethod
    def _tell(status: int, number: int) -> None:
        with suppress(BrokenPipeError):  # the harness is gone
            os.write(status, NUMBER.pack(number))


def call(connection: Connection) -> int:
    """Do what the first message on a connection says; return the exit status.

    The message is a pickle of the working folder, the environment and ``sys.path``, and of another pickle, of the
    function and its arguments, which only the first three make readable. The function gets the connection first; what
    it returns is the exit status, None is 0.
    """
    status: object = 1
    try:
        folder, environment, path, what = pickle.loads(connection.recv_bytes())
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        function, arguments = pickle.loads(what)
        status = function(connection, *arguments)
    except SystemExit as error:
        status = error.code
    except EOFError:  # the harness changed its mind
        pass
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return 0 if status is None else int(status) if isinstance(status, int) else 1


def kill_group(leader: int) -> None:
    """Kill a process group, given the process that led it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; where the kernel cannot, nothing happens."""
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _control_process(option: int, value: int) -> None:
    """Call prctl(2), where there is one."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def _children(parent: int) -> list[int]:
    """Return the process IDs of a process's children, as far as /proc tells."""
    found = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit()) if os.path.isdir("/proc") else ():
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
            # The program's name, in parentheses, may hold spaces; state and parent come after it.
            state, its_parent = file.read().rpartition(b")")[2].split()[:2]
            if int(its_parent) == parent and state != b"Z":
                found.append(int(pid))
    return found
