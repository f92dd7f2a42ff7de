"""The schema: its tables, the revision that this code needs, and the way to it."""
