"""Tell by OpenTelemetry's own variables whether traces are configured."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Either names the receiver; without one nothing is traced.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def is_configured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a receiver is named, and traces are not switched off."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporters = environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    return any(environ.get(name) for name in ENDPOINTS) and not off and "otlp" in exporters
