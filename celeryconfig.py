"""Celery's settings as data. The broker's address is not here: it comes from the environment (see README)."""

from hms_oms.broker import transport
from hms_oms.broker.publishing import PRIORITY_STEPS

transport.install()

# JSON only: anyone who can write to Redis must not be able to run code in a worker.
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

# Results and the state of jobs belong to the ledger, never to Celery.
result_backend = None
task_ignore_result = True
task_store_errors_even_if_ignored = False

broker_transport_options = {
    # The ledger acknowledges: no `unacked` hash, no visibility timeout, no second run of a long task.
    "ack_emulation": False,
    "priority_steps": PRIORITY_STEPS,
    # Within a priority every queue gets its turn; "priority" would serve the later ones last of all.
    "queue_order_strategy": "round_robin",
    # Without these a publish on a dead connection would wait forever.
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
    "health_check_interval": 25,
}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that refuses writes, as a replica or for want of memory, is waited for as one that is gone.
broker_channel_error_retry = True
# As many publishing threads as a worker may have; without a limit kombu would open a connection each time.
broker_pool_limit = 64

# A worker holds no more than it runs and as much again, so that the order of the ledger stays exact.
worker_prefetch_multiplier = 1
task_acks_late = False

# OPS and Flower live on these.
worker_send_task_events = True
task_send_sent_event = False

enable_utc = True
timezone = "UTC"
worker_hijack_root_logger = False
worker_redirect_stdouts = False
