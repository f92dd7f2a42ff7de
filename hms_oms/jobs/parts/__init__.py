"""Parts of a step: jobs that do it side by side, for another job that waits for them."""
