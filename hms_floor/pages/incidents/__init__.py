"""Pages of incidents, silences and the on-call document."""
