"""Routes of jobs: start, find, change, reserve."""
