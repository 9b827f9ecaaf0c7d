"""The harness: what is the same for every method (config, plan, runners, training loop, ledger, records, board)."""
