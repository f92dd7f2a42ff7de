-- The roster: inspectors with their open visits, and who visits which application.
-- Installations of release 0.2 and before have these tables from the product itself, filled: they stay as they are.
create schema if not exists farm;

create table if not exists farm.inspectors (
    id int primary key,
    name text not null,
    -- The two-digit FIPS code of the state, as a county's code begins.
    state char(2) not null check (state ~ '^[0-9]{2}$'),
    open_visits int not null default 0 check (open_visits >= 0),
    active bool not null default true
)
-- Loads change all day and names hardly ever: leave room to change a row in its place.
with (fillfactor = 50);

-- Read by the pick of an inspector. Without open_visits, so that a new load needs no new index entry: the
-- few inspectors of a state are quickly compared.
create index if not exists inspectors_pick on farm.inspectors (state, id) where active;

create table if not exists farm.assignments (
    app_id bigint primary key,
    job_id bigint not null,
    inspector_id int not null references farm.inspectors,
    county_fips text not null,
    assigned_at timestamptz not null
);
