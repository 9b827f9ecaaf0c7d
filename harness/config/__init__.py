"""What a run is: the Hydra tree under ``benchmarks/``, typed, resolved and checked into one `RunConfig`."""
