-- The dispatcher's report on Redis, and on what it cannot do. A refusal that goes on keeps the moment at which it began.
insert into oms.broker_state as state (reported_at, refused_since, kind, words, trouble)
values (
    oms.now(),
    case when cast(%(kind)s as text) is not null then oms.now() end,
    cast(%(kind)s as text),
    cast(%(words)s as text),
    cast(%(trouble)s as text)
)
on conflict (single) do update set
    reported_at = excluded.reported_at,
    refused_since = case
        when excluded.kind is not null then coalesce(state.refused_since, excluded.refused_since)
    end,
    kind = excluded.kind,
    words = excluded.words,
    trouble = excluded.trouble
returning single
