"""What an incident did to jobs: which were late, and how the queue went."""
