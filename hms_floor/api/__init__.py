"""The API for programs and for people outside the machine: an HTTP API with badges."""
