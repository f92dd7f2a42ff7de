"""Mutants: the load-bearing guards are taken out one by one, and the tests must notice each."""
