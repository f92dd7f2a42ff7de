"""Impact of an incident: the jobs that were late, and the course of the queue."""
