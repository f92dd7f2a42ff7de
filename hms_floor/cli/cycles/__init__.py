"""`hms cycle`: a file of requests from its preview to its report."""
