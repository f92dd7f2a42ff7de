"""Fail-points: each statement and each call of the programs, at which they die or lose the answer."""
