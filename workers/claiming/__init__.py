"""What a worker process claims and holds: its ledger session, its slots, the next step of a job."""
