"""`hms queue`, `hms sla` and `hms worker`: queues, their SLAs, and who works on them."""
