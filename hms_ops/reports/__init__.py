"""Reports: how deadlines were met, and why deadlines were missed."""
