"""Trains planned runs and turns each of them into a published record."""
