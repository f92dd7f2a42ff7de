"""Nights made up by a seed, and what must hold in each of them."""
