"""What the API answers: one frozen dataclass for each document, shared by ledger, API and clients."""
