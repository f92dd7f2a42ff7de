"""Steps in parts."""
