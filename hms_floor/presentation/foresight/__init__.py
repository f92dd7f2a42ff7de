"""Words for what is foreseen."""
