-- How hand-overs went: close the attempts, move the texts. A taker that has lost its lease changes nothing.
with answer as (
    select id, fence, state, outcome, sid, http_status, code, fault, delay
    from unnest(
        %(messages)s::bigint[], %(fences)s::bigint[], %(states)s::text[], %(outcomes)s::text[],
        %(sids)s::text[], %(http_statuses)s::smallint[], %(codes)s::text[], %(faults)s::text[], %(delays)s::float8[]
    ) as answer (id, fence, state, outcome, sid, http_status, code, fault, delay)
),
-- Pages in one order everywhere: anyone who takes them back does it in this one, too. Nobody takes back a text to an
-- applicant, and a lock is as long in the log as its change.
locked as (
    select id
    from oms.messages
    where (id = any(%(messages)s::bigint[]) or merged_into = any(%(messages)s::bigint[])) and page
    order by id
    for update
),
closed as (
    update oms.message_attempts as attempt
    set
        finished_at = oms.now(),
        outcome = answer.outcome,
        http_status = answer.http_status,
        code = answer.code,
        sid = coalesce(answer.sid, attempt.sid)
    from answer
    join oms.messages as message on message.id = answer.id and message.fence = answer.fence
    where attempt.message_id = answer.id and attempt.number = message.attempts and attempt.finished_at is null
),
moved as (
    update oms.messages as message
    set
        state = case
            when answer.outcome = 'not sent' and message.cancelled_at is not null and not message.handed_over
            then 'cancelled' else answer.state
        end,
        since = oms.now(),
        due_at = oms.now() + make_interval(secs => answer.delay),
        lease_until = null,
        tries = case answer.state when 'pending' then message.tries else 0 end,
        polls = 0,
        handed_over = message.handed_over or answer.outcome <> 'not sent',
        sid = coalesce(answer.sid, message.sid),
        -- What surely was not sent carries nobody: the others may go by themselves.
        carried = case
            when answer.outcome <> 'not sent' or message.handed_over then message.carried
        end,
        fault = answer.fault,
        finished_at = case when answer.state = any(%(ended)s::text[]) then oms.now() end
    from answer
    where message.id = answer.id and message.fence = answer.fence and message.state = 'sending'
        and (not message.page or message.id in (select id from locked))
    returning message.id, message.state, message.handed_over
),
freed as (
    update oms.messages as member
    set
        state = case when member.cancelled_at is null then 'pending' else 'cancelled' end,
        merged_into = null,
        since = oms.now(),
        finished_at = case when member.cancelled_at is not null then oms.now() end
    from moved
    where member.merged_into = moved.id and not moved.handed_over
)
select id, state from moved order by id
