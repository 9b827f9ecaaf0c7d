"""Tuning as data: declared spaces, the trials drawn from them, and what they decide.

`space` reads a space and draws trials, `result` is the file that a tuning leaves, `apply` has runs use one and says in
records how settings were chosen, `published` knows which settings are a paper's. `harness.cli.tune` trains the trials.
"""
