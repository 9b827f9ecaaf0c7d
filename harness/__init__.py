"""The harness: what all methods share (config, plan, runners, training loop, ledger, records, board)."""
