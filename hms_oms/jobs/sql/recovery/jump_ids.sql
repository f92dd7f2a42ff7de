-- After a restore: the ids that were given after the backup was made are known outside (in links, as tokens of
-- payments, in the provider's callbacks). None of them is given again: the next ones begin at a round number.
select
    name,
    setval(
        pg_get_serial_sequence('oms.' || name, 'id'),
        ceil((coalesce(pg_sequence_last_value(pg_get_serial_sequence('oms.' || name, 'id')::regclass), 0) + 500000)
            / 1000000.0)::bigint * 1000000
    ) as last,
    -- Nor soon the references of incidents, which people answer with.
    case name when 'jobs' then setval('ops.incident_references', nextval('ops.incident_references') + 80) end
        as reference
from unnest(array['jobs', 'batches', 'messages']) as name
