"""The machine: GPUs, memory, energy, clocks, versions."""
