"""Outside the wall: what trains a run, in a local process or in a container."""
