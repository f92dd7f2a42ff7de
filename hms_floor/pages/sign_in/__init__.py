"""Signing in, the pages that need no badge, and the client that carries one to the API."""
