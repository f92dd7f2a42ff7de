"""Reports: SLA attainment, and why deadlines were missed."""
