"""The acceptance of requests: what the statement that makes jobs of them takes."""
