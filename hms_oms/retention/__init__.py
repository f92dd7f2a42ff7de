"""How the ledger ages: how large it is, what is removed from it when, and what is held."""
