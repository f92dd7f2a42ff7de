"""Metrics: measured, published and kept as history."""
