"""The step engine of a worker process: no slot waits for the ledger."""
