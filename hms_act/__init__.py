"""HMS-ACT: turns job requests into Celery chains."""
