"""What is learnt: data, models and scores."""
