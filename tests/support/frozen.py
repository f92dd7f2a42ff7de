"""Imported last by the process that is forked: what it has made so far is no garbage, here or in a fork.

Otherwise each fork would look through all of it, and get a copy of every page by that.
"""

from __future__ import annotations

import gc

gc.collect()
gc.freeze()
