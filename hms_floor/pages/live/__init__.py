"""The numbers that pages show, read once for all of them."""
