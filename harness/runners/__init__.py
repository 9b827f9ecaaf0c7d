"""Outside the wall: starts runs, in a local process or in a container."""
