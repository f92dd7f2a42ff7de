"""Who may do what: the audit log and the register of badges."""
