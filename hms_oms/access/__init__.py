"""Access: the audit log and the register of badges."""
