"""Which runs there are, what tells each from every other, and what each will cost. Trains nothing."""
