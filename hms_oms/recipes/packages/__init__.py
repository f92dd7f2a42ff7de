"""Recipes of installed packages."""
