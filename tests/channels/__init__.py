"""Channels beside SMS, against strangers on loopback."""
