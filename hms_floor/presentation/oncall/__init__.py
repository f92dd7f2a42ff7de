"""On call, as others read it."""
