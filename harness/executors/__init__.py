"""Who trains a list of planned runs, and how a planned run becomes a published record."""
