"""Reliability of a trained model on the test images: its calibration, and its accuracy under corruptions."""
