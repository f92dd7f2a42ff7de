"""The machines of the live workers."""

from __future__ import annotations

from collections.abc import Sequence

from hms_oms.jobs.workers import Worker
from hms_ops.forecast.snapshot import HostSnapshot


def read(workers: Sequence[Worker]) -> list[HostSnapshot]:
    """Each machine with live workers: the load as its last beat says, the memory of all its workers."""
    by_host: dict[str, list[Worker]] = {}
    for worker in workers:
        by_host.setdefault(worker.host, []).append(worker)
    return [
        HostSnapshot(
            host,
            max(serving, key=lambda worker: worker.beat_at).cpu_percent,
            sum(worker.rss_bytes for worker in serving),
            len(serving),
            sorted({queue for worker in serving for queue in worker.queues}),
        )
        for host, serving in sorted(by_host.items())
    ]
