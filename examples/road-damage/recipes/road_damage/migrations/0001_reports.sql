-- Who answers for the roads of a district, and what was reported of them.
create schema road_damage;

create table road_damage.districts (
    district text primary key,
    phone text not null
);

-- Numbers that are kept free for fiction: put in those of your superintendents.
insert into road_damage.districts values ('north', '+12025550171'), ('south', '+12025550172');

-- How many vehicles a day were counted on a road.
create table road_damage.counts (
    road text primary key,
    vehicles int not null
);

insert into road_damage.counts values ('CR 7', 2400);

create table road_damage.reports (
    report text primary key,
    job bigint not null,
    road text not null,
    district text not null references road_damage.districts,
    state text not null check (state in ('open', 'noted', 'ordered', 'urgent', 'escalated')),
    contractor text,
    reported_at timestamptz not null default oms.now()
);
