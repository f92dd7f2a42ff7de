"""Claims of a worker process: its ledger session, its slots, the next step of a job."""
