"""Channels beside SMS: e-mail, Slack, Teams, PagerDuty, ntfy and others, by Apprise."""
