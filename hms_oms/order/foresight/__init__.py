"""What is foreseen of a backlog: pure decisions, on which previews, quotes and forecasts rest."""
