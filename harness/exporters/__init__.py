"""Exporters: runs in TensorBoard, Weights & Biases, MLflow and Trackio, live.

A tracker is one file with a class `Tracker` (`harness.exporters.base`) and its name in `vocabulary.TRACKERS`. One
callback (`callback.Exports`) takes the events of an executor, so that containers and local runs are exported alike and
nothing inside a run knows of it. Each tracker works in a process of its own (`worker`), which imports its library: what
fails, hangs, prints or prompts there cannot reach the runs.
"""
