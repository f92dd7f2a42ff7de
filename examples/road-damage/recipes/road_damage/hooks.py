"""What road damage adds to hms: its tables, and the outcomes that reports name."""

from __future__ import annotations

from pathlib import Path

from hms import Hooks

HOOKS = Hooks(
    migrations=Path(__file__).parent / "migrations",
    rights={
        "worker": {
            "road_damage.reports": "select, insert, update",
            "road_damage.districts": "select",
            "road_damage.counts": "select",
        }
    },
    outcomes={
        "road:damage:v1": ("ordered", "escalated", "noted", "elsewhere"),
        "road:round:v1": ("told", "quiet"),
    },
)
