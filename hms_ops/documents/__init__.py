"""What the API answers about measurements, incidents and calls: shared by ledger, API and clients."""
