"""Parts that all commands share: arguments, tables, colours, errors, clients and the ledger."""
