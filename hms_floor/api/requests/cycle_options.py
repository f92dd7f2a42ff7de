"""Options of a file of requests, as they stand in the query of an address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import JobType, Word

Type = Annotated[JobType, Query(alias="jobType")]
Minutes = Annotated[
    requests.Minutes | None, Query(alias="slaMinutes", description="Instead of the queue's SLA.")
]
Name = Annotated[Word, Query(description="Where the rows come from.")]
Supersede = Annotated[
    bool,
    Query(description="Let rows replace jobs that have their key and other content, if they have not begun."),
]
Must = Annotated[
    bool | None, Query(description="Whether its jobs are never given up for others; else the recipe says so.")
]
AcceptRefusals = Annotated[
    bool,
    Query(alias="acceptRefusals", description="Start even if one reason refuses more than half of the rows."),
]
