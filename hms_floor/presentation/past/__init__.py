"""The past of a queue in a window of time: its points, and what was done and happened."""
