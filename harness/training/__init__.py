"""Inside the wall: what trains a run, in a container or in a local process. Nothing here is trusted by the outside."""
