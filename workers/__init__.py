"""Celery worker processes and the steps they run (`celery -A workers worker`)."""

from __future__ import annotations

from typing import Any

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    # Celery looks for `workers.app`; the pure modules of this package load without Celery.
    if name in ("app", "celery"):
        import importlib

        from hms_oms.runtime.errors import ConfigError

        try:
            return importlib.import_module("workers.main").app
        except ConfigError as error:
            # Celery would show where it was raised, and its own frames.
            raise SystemExit(f"Error: {error}") from None
    raise AttributeError(name)
