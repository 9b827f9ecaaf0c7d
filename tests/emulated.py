"""A device of virtual time behind a host of virtual time: what a GPU's queue does to clocks, without a GPU or a wait.

The host moves on when it launches and when it waits. The device works through a queue of limited depth, and reaches an
event when all that was launched before it is done.
"""

import math
from collections import deque
from types import SimpleNamespace

LAUNCH = 0.0001
"""Seconds that the host takes to launch something."""

DEPTH = 170
"""Launches that the queue takes before the next one waits: of steps recorded as graphs, about that many."""


class Device:
    """The device, and the time of its host.

    Attributes:
        host: Seconds on the host's clock.
        free: When the device has done all that was launched.
        busy: Seconds that the device has worked.
        waits: How often the host has waited for an event that was not reached yet.
    """

    def __init__(self):
        self.host = self.free = self.busy = 0.0
        self.waits = 0
        self._queue = deque()

    def launch(self, seconds):
        """Queue work; the host waits if the queue is full."""
        self.host += LAUNCH
        while self._queue and self._queue[0] <= self.host:
            self._queue.popleft()
        if len(self._queue) >= DEPTH:
            self.host = max(self.host, self._queue.popleft())
        self.free = max(self.free, self.host) + seconds
        self.busy += seconds
        self._queue.append(self.free)

    def wait(self):
        """Have the host wait until the device is idle, as when it reads a number."""
        self.host = max(self.host, self.free)

    @property
    def ahead(self):
        """Seconds that the host is ahead of the device."""
        return max(self.free - self.host, 0.0)

    def event(self, **_):
        """Return an event, as `torch.cuda.Event` does."""
        return Event(self)

    def time(self):
        """Return a stand-in for the module `time`."""
        return SimpleNamespace(perf_counter=lambda: self.host, monotonic=lambda: self.host)


class Event:
    """An event on the device's only stream."""

    def __init__(self, device):
        self._device, self.at = device, math.nan

    def record(self):
        self.at = max(self._device.free, self._device.host)

    def query(self):
        return self.at <= self._device.host

    def synchronize(self):
        self._device.waits += not self.query()
        self._device.host = max(self._device.host, self.at)

    def elapsed_time(self, end):
        if not (self.query() and end.query()):
            raise RuntimeError("an event has not been reached")
        return 1000 * (end.at - self.at)
