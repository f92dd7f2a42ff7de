"""The order of backlogs: the leading dispatcher measures works and plans what is given up."""
