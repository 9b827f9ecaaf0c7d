"""What a run may spend and what it has spent: dense costs, ledger, clock, schedule, course."""
