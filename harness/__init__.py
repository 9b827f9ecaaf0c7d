"""The harness: everything that is shared by all methods (config, plan, runners, training loop, ledger, records, board)."""
