"""Paging: texts sent exactly once as far as can be known, merged, throttled and answered."""
