"""Messages: the outbox, delivery attempts, replies, and the GSM-7 alphabet."""
