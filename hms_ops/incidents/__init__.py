"""Incidents: opened, acknowledged, silenced and resolved, and how they are worded."""
