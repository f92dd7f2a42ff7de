"""What `hms check` asks: the API, PostgreSQL and Redis, and sessions as programs open them."""
