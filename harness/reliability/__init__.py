"""Reliability measured from kept networks: of runs, and of the seeds of a row together (docs/reliability.md)."""
