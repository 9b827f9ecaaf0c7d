"""Plans runs: which there are, what identifies each, and what each will cost. Trains nothing."""
