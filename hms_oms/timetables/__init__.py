"""Timetables: when something is due by a cron line, a time zone and a business calendar; pure arithmetic."""
