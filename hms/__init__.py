"""Write your own job types: mark steps, and start jobs in your own transaction.

```python
from hms import StepRun, enqueue, step
```

`hms.testing` runs jobs in tests. All else in the other packages may change with any release.
"""

from __future__ import annotations

from hms.enqueueing import enqueue
from hms_oms.jobs.outcomes import Done, Reject, Retry
from hms_oms.recipes.hooks import Hooks
from workers.step import StepRun, step

__all__ = ["Done", "Hooks", "Reject", "Retry", "StepRun", "enqueue", "step"]
