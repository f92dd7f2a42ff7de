"""What all commands share: arguments, tables, colours, errors, and how they reach API and ledger."""
