-- Keep what the provider called back; nothing where it has come before.
insert into oms.callbacks (token, message_id, attempt, sid, status, code, received_at)
values (
    %(token)s::text, %(message)s::bigint, %(attempt)s::int, %(sid)s::text, %(status)s::text, %(code)s::text,
    %(now)s::timestamptz
)
on conflict (token) do nothing
returning id
