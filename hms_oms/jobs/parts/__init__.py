"""Parts of a step, which do it side by side, and the jobs that a step starts: their job waits for them."""
