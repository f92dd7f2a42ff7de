"""What a worker tells of its steps: events, logs and traces."""
