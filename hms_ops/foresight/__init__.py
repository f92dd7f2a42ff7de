"""Foresight: when open jobs will end, which are at risk, and what a change would do to them."""
