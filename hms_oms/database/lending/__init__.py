"""Connections that are lent to steps."""
