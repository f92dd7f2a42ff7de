"""The statements of this package, by name."""

from __future__ import annotations

from functools import partial

from hms_oms.database import statements

#: The statement kept in the file {name}.sql of this package.
statement = partial(statements.text, package="hms_ops")
