"""What you write your own job types with: steps, and starting jobs in your own transaction.

```python
from hms import StepRun, enqueue, step
```

`hms.testing` runs jobs in tests. All else in the other packages may change with any release.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hms.enqueueing import enqueue
    from hms.waiting import Enqueued, NotDone, NotEnded
    from hms_oms.jobs.outcomes import Done, Reject, Retry, Sleep
    from hms_oms.recipes.hooks import Hooks
    from workers.step import StepRun, step

__all__ = [
    "Done",
    "Enqueued",
    "Hooks",
    "NotDone",
    "NotEnded",
    "Reject",
    "Retry",
    "Sleep",
    "StepRun",
    "enqueue",
    "step",
]

_MODULES = {
    "Done": "hms_oms.jobs.outcomes",
    "Enqueued": "hms.waiting",
    "Hooks": "hms_oms.recipes.hooks",
    "NotDone": "hms.waiting",
    "NotEnded": "hms.waiting",
    "Reject": "hms_oms.jobs.outcomes",
    "Retry": "hms_oms.jobs.outcomes",
    "Sleep": "hms_oms.jobs.outcomes",
    "StepRun": "workers.step",
    "enqueue": "hms.enqueueing",
    "step": "workers.step",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: pytest loads the plugin in this package, also if only the clients are installed.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
