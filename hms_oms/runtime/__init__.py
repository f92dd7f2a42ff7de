"""Runtime: settings, environment, server URLs, logs, errors, clock and formats."""
