"""`hms db` beyond migrations and backups: how large the ledger is, what leaves it, what is held."""
