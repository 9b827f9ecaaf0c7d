"""The speed suites and their page."""
