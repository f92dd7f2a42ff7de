"""Checks of a recipe's document, and what it says of steps that wait."""
