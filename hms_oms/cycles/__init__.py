"""Cycles: the requests of one file, the rows that made no job, and uploads that wait to be started."""
