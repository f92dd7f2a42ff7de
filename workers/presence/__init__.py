"""A worker's presence: its heartbeats, and the watch over its own queues."""
