"""Files of requests: read as CSV or JSON lines, each row checked on its way."""
