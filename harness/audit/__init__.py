"""The judges, outside the wall: what a finished run and a submitted record are checked by."""
