"""The hands: Celery worker processes and the steps they run."""
