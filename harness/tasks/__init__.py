"""Tasks: data, models and evaluation."""
