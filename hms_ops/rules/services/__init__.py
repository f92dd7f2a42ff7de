"""Rules about the services that the product runs on: Redis, the dispatcher, the watch, the outbox."""
