"""`hms job hold` and `hms job answer`: stop the clock of a job until the applicant has answered."""

from __future__ import annotations

import click

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show
from hms_floor.cli.terminal.arguments import JobId
from hms_oms.api.codec import document
from hms_oms.jobs.tickets import job_name


@click.command("hold")
@click.argument("number", metavar="ID", type=JobId(), shell_complete=names.jobs)
@click.option("--until-answer", is_flag=True, help="Until the applicant has answered: `hms job answer`.")
@click.option("--reason", metavar="TEXT", help="What was asked, for the job's timeline.")
@show.json_option
def hold(number: int, until_answer: bool, reason: str | None, as_json: bool) -> None:
    """Stop the clock of job ID until the applicant answers.

    It is not handed out meanwhile, and not late. A job that runs, or waits for an event, cannot be held.

    \b
    Example:  hms job hold job-219 --until-answer --reason "the map of the field is missing"
    """
    if not until_answer:
        raise click.UsageError("Say until when: --until-answer. For a time there is `hms job delay --at`.")
    held = api_client.act().hold(job_name(number), reason=reason)
    if as_json:
        show.print_json(document(held))
        return
    show.lines(
        f"{held.id} is held: its clock stands, and it is not handed out.",
        f"When the answer is there: hms job answer {held.id}",
    )


@click.command("answer")
@click.argument("number", metavar="ID", type=JobId(), shell_complete=names.jobs)
@click.option("--reason", metavar="TEXT", help="What was answered, for the job's timeline.")
@show.json_option
def answer(number: int, reason: str | None, as_json: bool) -> None:
    """Let job ID go on, for the applicant has answered.

    Its deadline is later by the time that its clock has stood.

    \b
    Example:  hms job answer job-219
    """
    answered = api_client.act().answer(job_name(number), reason=reason)
    if as_json:
        show.print_json(document(answered))
        return
    due = show.moment(answered.sla_expires, api_client.clock())
    show.lines(f"{answered.id} goes on, due {due}.")
