-- Record what the plan of a queue has found.
insert into oms.backlog_plans as known (
    queue, planned_at, jobs, work, slots, given_up, hopeless, given_up_work, given_up_since
)
values (
    %(queue)s, oms.now(), %(jobs)s, %(work)s, %(slots)s, %(given_up)s, %(hopeless)s, %(given_up_work)s,
    case when %(given_up)s > 0 then oms.now() end
)
on conflict (queue) do update set
    planned_at = excluded.planned_at, jobs = excluded.jobs, work = excluded.work, slots = excluded.slots,
    given_up = excluded.given_up, hopeless = excluded.hopeless, given_up_work = excluded.given_up_work,
    given_up_since = case when excluded.given_up > 0 then coalesce(known.given_up_since, oms.now()) end
returning queue
