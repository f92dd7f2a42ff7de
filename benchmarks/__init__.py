"""What the machinery costs, measured side by side with bare Celery."""
