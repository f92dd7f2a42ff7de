"""The steps of road damage; between assessing and ordering a person says which contractor goes."""

from __future__ import annotations

from hms import Done, Reject, StepRun, step

#: What is less deep is noted, and mended when the road is.
SHALLOW_CM = 4
COUNTY_ROAD = "CR "
#: A repair is urgent where so many vehicles a day pass, or where it is not the first report.
BUSY_VEHICLES = 1000


@step("road_damage.assess")
def assess(run: StepRun) -> Done:
    """Write the report down; only deep damage to a road of the county goes on to a contractor."""
    if not run.payload["road"].startswith(COUNTY_ROAD):
        raise Reject("elsewhere")
    shallow = run.payload["depthCm"] < SHALLOW_CM
    with run.connection.cursor() as cursor:
        cursor.execute(
            # A step may be done twice: the second time it finds what it has written.
            "insert into road_damage.reports (report, job, road, district, state)"
            " values (%(reportId)s, %(job)s, %(road)s, %(district)s, %(state)s)"
            " on conflict (report) do update set job = excluded.job, road = excluded.road,"
            " district = excluded.district, state = excluded.state",
            {**run.payload, "job": run.job, "state": "noted" if shallow else "open"},
        )
    if shallow:
        return Done({"deep": False}, outcome="noted", skip_to="answer")
    return Done({"deep": True})


@step("road_damage.traffic")
def traffic(run: StepRun) -> dict[str, int]:
    """Look up how many vehicles a day pass; none are counted on most roads."""
    with run.connection.cursor() as cursor:
        cursor.execute("select vehicles from road_damage.counts where road = %s", (run.payload["road"],))
        return {"vehicles": sum(vehicles for (vehicles,) in cursor.fetchall())}


@step("road_damage.history")
def history(run: StepRun) -> dict[str, int]:
    """Count what else was reported of the road."""
    with run.connection.cursor() as cursor:
        cursor.execute(
            "select report from road_damage.reports where road = %s and report <> %s",
            (run.payload["road"], run.payload["reportId"]),
        )
        return {"reports": cursor.rowcount}


@step("road_damage.order")
def order(run: StepRun) -> Done:
    """Order the repair from the contractor that was confirmed; there is nothing to escalate."""
    contractor = run.results["contractor"].get("contractor", "A contractor")
    survey = run.results["survey"]  # by the names of its branches
    urgent = survey["traffic"]["vehicles"] >= BUSY_VEHICLES or survey["history"]["reports"] > 0
    _settle(run, "urgent" if urgent else "ordered", contractor)
    return Done({"contractor": contractor, "urgent": urgent}, outcome="ordered", skip_to="answer")


@step("road_damage.escalate")
def escalate(run: StepRun) -> Done:
    """Text the superintendent of the district: no contractor was confirmed in time."""
    _settle(run, "escalated", None)
    with run.connection.cursor() as cursor:
        cursor.execute(
            "select phone from road_damage.districts where district = %s", (run.payload["district"],)
        )
        for (phone,) in cursor.fetchall():
            run.text(
                phone, f"{run.payload['road']}: no contractor for report {run.payload['reportId']}. Send one."
            )
    return Done({"escalated": True}, outcome="escalated")


@step("road_damage.answer")
def answer(run: StepRun) -> Done:
    """Text who reported the damage what becomes of it."""
    if "order" in run.results:
        outcome, becomes = "ordered", f"{run.results['order']['contractor']} will repair it."
    elif "escalate" in run.results:
        outcome, becomes = "escalated", "The superintendent sees to it."
    else:
        outcome, becomes = "noted", "It is mended with the road."
    run.text(run.payload["phone"], f"Your report of {run.payload['road']}: {becomes}")
    return Done({"texted": True}, outcome=outcome)


@step("road_damage.tell")
def tell(run: StepRun) -> Done:
    """Text each superintendent the counts of the last hours; a quiet district hears nothing."""
    with run.connection.cursor() as cursor:
        cursor.execute(
            "select district, phone, count(*), count(*) filter (where state = 'escalated')"
            " from road_damage.reports join road_damage.districts using (district)"
            " where reported_at > oms.now() - make_interval(hours => %s) group by 1, 2 order by 1",
            (run.payload["hours"],),
        )
        rows = cursor.fetchall()
    for district, phone, reports, escalated in rows:
        run.text(phone, f"{district}: {reports} reports, {escalated} without a contractor.")
    return Done({"districts": len(rows)}, outcome="told" if rows else "quiet")


def _settle(run: StepRun, state: str, contractor: str | None) -> None:
    with run.connection.cursor() as cursor:
        cursor.execute(
            "update road_damage.reports set state = %s, contractor = %s where report = %s",
            (state, contractor, run.payload["reportId"]),
        )
