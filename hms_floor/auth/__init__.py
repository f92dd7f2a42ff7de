"""Badges: signed tokens for people and programs, and the link that signs in on this machine."""
