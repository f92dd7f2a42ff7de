"""Pages of queues and their SLAs."""
