"""Redis: how tickets become messages, which messages are accepted, and what waits there."""
