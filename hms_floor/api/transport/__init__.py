"""Connections, bodies and errors: all that does not depend on who asks or for what."""
