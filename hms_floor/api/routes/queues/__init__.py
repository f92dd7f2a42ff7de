"""Routes of queues, their SLAs and workers, and the reports about them."""
