"""Parts that methods share: masks, distributions, schedules, exact selection."""
