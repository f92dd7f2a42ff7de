"""Jobs: states, tickets, the ledger and all that reads or changes it; who works on them."""
