"""The judges, outside the wall: they check finished runs and submitted records."""
