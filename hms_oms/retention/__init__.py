"""Retention: how large the ledger is, what is removed from it when, and what is held."""
