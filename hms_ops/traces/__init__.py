"""The traces of jobs: made from their diaries, sent by OTLP."""
