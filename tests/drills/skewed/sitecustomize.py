"""A sleep that libfaketime does not break: a deadline by the monotonic clock it takes for a wrong one."""

import threading
import time


def _sleep(seconds: float) -> None:
    threading.Event().wait(seconds)


time.sleep = _sleep
