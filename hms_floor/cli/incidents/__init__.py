"""`hms incident`, `hms oncall` and `hms ops`: what is wrong, and who is called."""
