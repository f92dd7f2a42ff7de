"""Statistics over sliding windows: rates, waits, percentiles."""
