"""Documents of measurements, incidents and calls, shared by ledger, API and clients."""
