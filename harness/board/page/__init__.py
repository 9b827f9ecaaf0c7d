"""The board as one HTML page."""
