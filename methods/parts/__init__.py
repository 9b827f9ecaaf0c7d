"""Pure parts of methods: masks, distributions, schedules, exact selection."""
