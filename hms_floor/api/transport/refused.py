"""Counters of refused requests and open connections of this process, for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

#: Refusals that tell of a load, an attack or a wrong setting; what is merely wrong in a request is no matter.
STATUSES = (401, 403, 408, 413, 414, 429, 431, 503)

#: Since this process began, by status.
refused: Counter[int] = Counter(dict.fromkeys(STATUSES, 0))


def note(status: int) -> None:
    """Count an answer if it is a refusal."""
    if status in refused:
        refused[status] += 1


class OwnCounts(Collector):
    """The counts of this process of the API, each scraped by itself."""

    def __init__(self, opened: Mapping[str, int]) -> None:
        self._open = opened

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Both families."""
        answers = CounterMetricFamily(
            "hms_refused_requests_total", "Requests that this process has refused", labels=["status"]
        )
        for status, number in refused.items():
            answers.add_metric([str(status)], number)
        yield answers
        held = GaugeMetricFamily("hms_open", "What this process has open now", labels=["kind"])
        for kind, number in self._open.items():
            held.add_metric([kind], number)
        yield held
