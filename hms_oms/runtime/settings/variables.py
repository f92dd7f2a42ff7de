"""Variables of the environment that are settings: the attribute of each, how it is read, which are secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hms_oms.runtime import server_urls
from hms_oms.runtime.settings import parsing

SENDERS = ("log", "twilio", "webhook")
POOLS = ("prefork", "threads", "solo")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "text", "json")

#: The attribute of `Settings` that a variable sets, and how its text is read.
KNOWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HMS_HOME": ("home", parsing.path),
    "HMS_DATABASE_URL": ("database_url", server_urls.database),
    "HMS_DATABASE_DIRECT_URL": ("database_direct_url", server_urls.database),
    "HMS_BROKER_URL": ("broker_url", server_urls.broker),
    "HMS_TIMEZONE": ("timezone", parsing.zone),
    "HMS_URL": ("url", parsing.url("http", "https")),
    "HMS_BADGE": ("badge", parsing.badge),
    "HMS_RECIPES": ("recipes", parsing.existing_folder),
    "HMS_INCOMING": ("incoming", parsing.path),
    "HMS_INCOMING_HOSTS": ("incoming_hosts", parsing.hosts),
    "HMS_WORKERS": ("workers", parsing.number(0, 64)),
    "HMS_WORKER_POOL": ("worker_pool", parsing.one_of(*POOLS)),
    "HMS_WORKER_SLOTS": ("worker_slots", parsing.number(1, 1000)),
    "HMS_HOST_CPU_LIMIT": ("host_cpu_limit", parsing.number(1, 100)),
    "HMS_HOST_MEMORY_LIMIT": ("host_memory_limit", parsing.number(1, 100)),
    "HMS_FLOWER_PORT": ("flower_port", parsing.number(0, 65535)),
    "HMS_FLOOR_HOST": ("floor_host", parsing.words),
    "HMS_FLOOR_PORT": ("floor_port", parsing.number(0, 65535)),
    "HMS_FLOOR_PROXIES": ("floor_proxies", parsing.words),
    "HMS_FLOOR_RATE": ("floor_rate", parsing.number(1, 1_000_000)),
    "HMS_BADGE_JWKS": ("badge_jwks", parsing.jwks),
    "HMS_BADGE_KEY": (
        "badge_key",
        parsing.matching("[!-~]{32,}", "one word of at least 32 characters", secret=True),
    ),
    "HMS_BADGE_ISSUER": ("badge_issuer", parsing.words),
    "HMS_BADGE_AUDIENCE": ("badge_audience", parsing.words),
    "HMS_OIDC_ISSUER": ("oidc_issuer", parsing.issuer),
    "HMS_OIDC_CLIENT_ID": ("oidc_client_id", parsing.words),
    "HMS_OIDC_CLIENT_SECRET": (
        "oidc_client_secret",
        parsing.matching("[!-~]+", "one word of printable ASCII", secret=True),
    ),
    "HMS_OIDC_NAME": ("oidc_name", parsing.words),
    "HMS_OIDC_SCOPES": ("oidc_scopes", parsing.words),
    "HMS_OIDC_ROLES_CLAIM": ("oidc_roles_claim", parsing.words),
    "HMS_OIDC_ROLES": ("oidc_roles", parsing.granted),
    "HMS_SENDER": ("sender", parsing.one_of(*SENDERS)),
    "HMS_TWILIO_ACCOUNT_SID": (
        "twilio_account_sid",
        parsing.matching("AC[0-9a-fA-F]{32}", "an account SID: AC and 32 hex digits", secret=True),
    ),
    "HMS_TWILIO_AUTH_TOKEN": (
        "twilio_auth_token",
        parsing.matching("[!-~]+", "one word of printable ASCII", secret=True),
    ),
    "HMS_TWILIO_FROM": (
        "twilio_from",
        parsing.matching(r"\+[1-9]\d{6,14}|\d{3,8}", "a number in E.164, as +12025550143, or a short code"),
    ),
    "HMS_TWILIO_API_URL": ("twilio_api_url", parsing.base_url),
    "HMS_PUBLIC_URL": ("public_url", parsing.public_url),
    "HMS_WEBHOOK_URL": ("webhook_url", parsing.url("http", "https")),
    "HMS_WEBHOOK_SECRET": (
        "webhook_secret",
        parsing.matching("[!-~]{16,}", "one word of at least 16 printable ASCII characters", secret=True),
    ),
    "HMS_CHANNELS": ("channels", parsing.path),
    "HMS_EVENTS_KEY": (
        "events_key",
        parsing.matching("[!-~]{32,}", "one word of at least 32 characters", secret=True),
    ),
    "HMS_EVENTS_NETWORKS": ("events_networks", parsing.networks),
    "HMS_START_WITHOUT_ONCALL": ("start_without_oncall", parsing.yes_or_no),
    "HMS_TEXTS_PER_SECOND": ("texts_per_second", parsing.rate),
    "HMS_SAMPLES_DAYS": ("samples_days", parsing.number(1, 3650)),
    "HMS_KEEP_JOBS": ("keep_jobs", parsing.duration(2)),
    "HMS_KEEP_EVENTS": ("keep_events", parsing.duration(1)),
    "HMS_KEEP_MESSAGES": ("keep_messages", parsing.duration(1)),
    "HMS_KEEP_ATTEMPTS": ("keep_attempts", parsing.duration(1)),
    "HMS_KEEP_PERSONAL_DATA": ("keep_personal_data", parsing.duration(1)),
    "HMS_KEEP_KEYS": ("keep_keys", parsing.duration(2)),
    "HMS_KEEP_AUDIT": ("keep_audit", parsing.duration(30)),
    "HMS_LOG_LEVEL": ("log_level", parsing.one_of(*LOG_LEVELS, fold=str.upper)),
    "HMS_LOG_FORMAT": ("log_format", parsing.one_of(*LOG_FORMATS)),
}

#: What may also come from a file, named by the setting's name and _FILE.
SECRETS = (
    "HMS_DATABASE_URL",
    "HMS_DATABASE_DIRECT_URL",
    "HMS_BROKER_URL",
    "HMS_BADGE",
    "HMS_BADGE_KEY",
    "HMS_OIDC_CLIENT_SECRET",
    "HMS_TWILIO_ACCOUNT_SID",
    "HMS_TWILIO_AUTH_TOKEN",
    "HMS_WEBHOOK_URL",
    "HMS_WEBHOOK_SECRET",
    "HMS_EVENTS_KEY",
)

#: Variables without which nobody can sign in by OpenID Connect.
OIDC_NEEDS = ("HMS_OIDC_ISSUER", "HMS_OIDC_CLIENT_ID", "HMS_OIDC_ROLES")
#: Variables without which a sender cannot send.
NEEDS = {
    "twilio": ("HMS_TWILIO_ACCOUNT_SID", "HMS_TWILIO_AUTH_TOKEN", "HMS_TWILIO_FROM"),
    "webhook": ("HMS_WEBHOOK_URL", "HMS_WEBHOOK_SECRET"),
}
