"""A training process keeps what it frees, and goes without where the C library cannot."""

import ctypes
import platform
import subprocess
import sys

import pytest

from harness.machine import allocator

# What a step does: it allocates and frees the same large tensors. Counts the pages that the kernel hands out for it.
STEPS = """
import resource, sys
import torch
from harness.machine.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def step():
    tensors = [torch.ones(size << 18) for size in (64, 8, 32)]

for _ in range(5):  # until small things have found their places between the large ones
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_of_a_step(*arguments):
    done = subprocess.run([sys.executable, "-c", STEPS, *arguments], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_step_s_memory_serves_the_next_one():
    assert pages_of_a_step("keep") * 10 < pages_of_a_step("default")


def test_another_c_library_is_no_error(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
