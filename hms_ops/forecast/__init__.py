"""Forecast: what will be late, why, and what would help."""
