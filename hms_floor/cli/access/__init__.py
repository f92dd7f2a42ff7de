"""`hms badge` and `hms audit`: who may do what, and who did."""
