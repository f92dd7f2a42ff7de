"""Connections, bodies and errors: everything that is independent of caller and route."""
