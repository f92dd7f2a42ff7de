"""Routes of incidents, on call and texts."""
