"""The order of a backlog under overload: pure decisions, shared by dispatcher, forecast and simulator."""
