"""The traces of jobs: made from their event logs, sent by OTLP."""
