"""PostgreSQL: connections, sessions, statements, schema and migrations."""
