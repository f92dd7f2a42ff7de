"""Checks of `hms check`: the API, PostgreSQL and Redis, and sessions as programs open them."""
