"""Retention by recipe: how long what is kept, and which fields hold personal data."""
