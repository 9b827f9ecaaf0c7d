"""Outside the wall: where a run is trained, in a local process or in a container."""
