"""What a lease says of its owner, and how processes are told apart."""

import json
import os
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from harness.machine import holder, process


@given(
    st.binary(max_size=300)
    | st.dictionaries(st.text(), st.integers() | st.text()).map(lambda d: json.dumps(d).encode())
)
def test_whatever_a_file_says_it_has_an_owner(content):
    found = holder.parse(content, 0.0)
    assert len(found.token) == 16
    assert int(found.token, 16) >= 0
    assert str(found)


@given(st.text(max_size=200), st.text(max_size=200))
def test_what_a_lease_says_can_be_read_whatever_users_and_machines_are_called(user, host):
    about = {**holder.claim("0" * 16), "user": user[:64], "host": host[:64]}
    content = holder.text(about)
    assert len(content) == holder.SIZE
    found = holder.parse(content, 1.5)
    assert (found.user, found.host, found.renewed) == (user[:64], host[:64], 1.5)


def test_processes_are_told_apart_by_their_start():
    assert process.started(os.getpid()).isdigit()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        assert process.started(other.pid)
        other.kill()
        deadline = time.monotonic() + 10
        while process.started(other.pid):  # a zombie has ended
            assert time.monotonic() < deadline
    assert not process.is_foreign(os.getpid())
