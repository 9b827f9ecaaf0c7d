"""What several methods share: drop-and-grow, pruning ramps."""
