"""Texts, read as bytes and cut into windows (`windows`): one module for each data set."""

from harness.tasks.data.sets.text import bible, folder, shakespeare, stdlib

__all__ = ["bible", "folder", "shakespeare", "stdlib"]
