"""Data sets that are decoded from image files during training."""
