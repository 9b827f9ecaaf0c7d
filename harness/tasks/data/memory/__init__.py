"""Data sets held in memory."""
