"""Documents of the API: one frozen dataclass each, shared by ledger, API and clients."""
