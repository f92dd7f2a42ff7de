"""Read jobs: lists, the event log of one, and where one stands."""
