"""HMS-OMS: the job ledger, its SLA table and its queues; the only package that touches PostgreSQL."""
