"""Charts and waterfalls: what is drawn, and the points of it."""
