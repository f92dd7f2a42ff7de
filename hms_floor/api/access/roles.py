"""The table of roles and routes, from which guard, documents and tests are generated."""

from __future__ import annotations

from collections.abc import Mapping

from hms_floor.auth.tokens import Role

Roles = frozenset[Role]

_VIEWER, _OPERATOR, _MANAGER = Role.VIEWER, Role.OPERATOR, Role.MANAGER
READERS = frozenset({_VIEWER, _OPERATOR, _MANAGER, Role.ONCALL, Role.ADMIN})
STARTERS = frozenset({_OPERATOR, _MANAGER})
MANAGERS = frozenset({_MANAGER})
CALLED = frozenset({Role.ONCALL, _MANAGER})
AGENTS = frozenset({Role.AGENT})
ADMINS = frozenset({Role.ADMIN})
ANYBODY = frozenset(Role)
#: No badge is asked for.
OPEN: Roles = frozenset()
#: Who sees payloads and results; to the others they are masked.
SEERS = frozenset({_OPERATOR, _MANAGER})

#: Every route, and the roles of which a badge needs one.
TABLE: Mapping[str, Roles] = {
    "POST /jobs": STARTERS,
    "GET /jobs": READERS,
    "POST /jobs/bulk": STARTERS,
    "GET /jobs/{id}": READERS,
    "GET /jobs/{id}/explain": READERS,
    "POST /jobs/{id}/cancel": STARTERS,
    "POST /jobs/{id}/retry": STARTERS,
    "POST /jobs/{id}/reinstate": STARTERS,
    "POST /jobs/{id}/promote": MANAGERS,
    "POST /jobs/{id}/move": MANAGERS,
    "POST /jobs/{id}/priority": MANAGERS,
    "POST /jobs/{id}/delay": MANAGERS,
    "POST /jobs/{id}/signal": STARTERS,
    "POST /jobs/{id}/hold": STARTERS,
    "POST /jobs/{id}/answer": STARTERS,
    "GET /changes": STARTERS,
    "POST /changes/{id}/undo": STARTERS,
    "POST /cycles": STARTERS,
    "POST /cycles/preview": STARTERS,
    "POST /cycles/uploads/{upload}/start": STARTERS,
    "POST /cycles/uploads/{upload}/discard": STARTERS,
    "GET /cycles": READERS,
    "GET /cycles/{id}": READERS,
    "GET /cycles/{id}/refused": SEERS,
    "GET /cycles/{id}/refused.csv": SEERS,
    "GET /cycles/{id}/refused.xlsx": SEERS,
    "GET /cycles/{id}/duplicates": READERS,
    "GET /schedules": READERS,
    "POST /schedules": MANAGERS,
    "GET /schedules/{schedule}": READERS,
    "POST /schedules/{schedule}/run": STARTERS,
    "POST /schedules/{schedule}/skip": STARTERS,
    "POST /schedules/{schedule}/pause": MANAGERS,
    "POST /schedules/{schedule}/resume": MANAGERS,
    "POST /schedules/{schedule}/remove": MANAGERS,
    "GET /calendar": READERS,
    "GET /queues": READERS,
    "GET /queues/{queue}/peek": READERS,
    "GET /queues/{queue}/forecast": READERS,
    "GET /queues/{queue}/history": READERS,
    "POST /queues/{queue}/pause": MANAGERS,
    "POST /queues/{queue}/resume": MANAGERS,
    "POST /queues/{queue}/limit": MANAGERS,
    "POST /queues/{queue}/policy": MANAGERS,
    "GET /queues/{queue}/calendar": READERS,
    "PUT /queues/{queue}/calendar": MANAGERS,
    "PUT /queues/{queue}/sla": MANAGERS,
    "GET /queues/{queue}/sla": READERS,
    "GET /sla": READERS,
    "POST /queues/{queue}/reserve": AGENTS,
    "POST /reservations/{id}/extend": AGENTS,
    "POST /reservations/{id}/report": AGENTS,
    "GET /workers": READERS,
    "GET /recipes": READERS,
    "GET /stream": READERS,
    "GET /stream/{queue}": READERS,
    "GET /metrics": READERS,
    "GET /incidents": READERS,
    "GET /incidents/{id}": READERS,
    "GET /incidents/{id}/jobs": READERS,
    "POST /incidents/{id}/comments": CALLED,
    "POST /incidents/{id}/ack": CALLED,
    "POST /incidents/{id}/resolve": CALLED,
    "GET /silences": READERS,
    "POST /silences": MANAGERS,
    "POST /silences/{id}/end": MANAGERS,
    "GET /oncall": READERS,
    "PUT /oncall": MANAGERS,
    "GET /oncall/feed": READERS,
    "POST /oncall/feed": MANAGERS,
    "POST /oncall/feed/revoke": MANAGERS,
    "GET /oncall.ics": OPEN,
    "GET /thresholds": READERS,
    "PUT /thresholds/{rule}/{parameter}": MANAGERS,
    "GET /ops": READERS,
    "GET /sla/report": READERS,
    "GET /sla/report.pdf": READERS,
    "GET /sla/days": READERS,
    "GET /sla/lateness": READERS,
    "GET /history": READERS,
    "POST /simulations": READERS,
    "GET /texts": READERS,
    "GET /jobs/{id}/texts": READERS,
    "POST /texts": MANAGERS,
    "POST /test-pages": MANAGERS,
    "POST /twilio/status": OPEN,
    "POST /twilio/reply": OPEN,
    "POST /webhooks": MANAGERS,
    "GET /webhooks": MANAGERS | ADMINS,
    "GET /webhooks/{name}": MANAGERS | ADMINS,
    "GET /webhooks/{name}/deliveries": MANAGERS | ADMINS,
    "POST /webhooks/{name}/pause": MANAGERS,
    "POST /webhooks/{name}/resume": MANAGERS,
    "POST /webhooks/{name}/remove": MANAGERS,
    "POST /webhooks/{name}/test": MANAGERS,
    "POST /webhooks/{name}/deliveries/{id}/resend": MANAGERS,
    "GET /audit": MANAGERS | ADMINS,
    "POST /badges": ADMINS,
    "GET /badges": ADMINS,
    "POST /badges/{jti}/revoke": ADMINS,
    "GET /me": ANYBODY,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /docs/{asset}": OPEN,
    "GET /livez": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
}


def markdown() -> str:
    """The table for documents, one line a route."""
    roles = list(Role)
    lines = [f"| route | {' | '.join(roles)} |", "|---|" + "---|" * len(roles)]
    for action, named in TABLE.items():
        marks = ["open" if named == OPEN else "yes" if role in named else "" for role in roles]
        lines.append(f"| `{action}` | {' | '.join(marks)} |")
    return "\n".join(lines)
