"""Checks of a recipe's document."""
