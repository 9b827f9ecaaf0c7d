"""Where a run happens: in a process here, or in a container."""
