-- The tables and views for postgres.py, in PostgreSQL 14 or later with the encoding UTF8. It changes nothing that exists:
--
--   psql -d sluice -f postgres.sql
--
-- (gateway, log, seq) is the key of a record, an alarm or an event. It names the same content forever.
begin;

-- One row for each point of a record. `time` is as the gateway sent it; the view `corrected` adds what the gateway learnt later.
create table if not exists reading (
  gateway text not null, log text not null, seq bigint not null, point text not null,
  device text not null, boot text not null,
  lane text not null,          -- data, history or resend
  time timestamptz not null,
  value double precision,      -- a number; true is 1 and false is 0
  text text,                   -- anything but a number, exactly: a text, a 64-bit integer, true or false
  quality text not null,       -- good, uncertain or bad; a bad reading has no value
  reason text,
  estimated boolean not null,  -- the board did not know the time
  primary key (gateway, log, seq, point)
);
create index if not exists reading_by_time on reading (gateway, device, point, time);

-- Alarms and events. `body` is the whole message.
create table if not exists notice (
  gateway text not null, log text not null, seq bigint not null,
  kind text not null,          -- alarm or event
  name text not null,          -- the rule, or the event
  severity text, state text, message text,
  time timestamptz not null,
  stored timestamptz not null default now(),
  body jsonb not null,
  primary key (gateway, log, seq)
);
create index if not exists notice_by_name on notice (gateway, kind, name, time);

-- Each revision of the inventory: units and types.
create table if not exists inventory (
  gateway text not null, revision bigint not null, body jsonb not null, stored timestamptz not null default now(),
  primary key (gateway, revision)
);

-- The numbers that came. A batch covers first..last, and an alarm or an event its own number. A block bounds what one update
-- writes: it has the ranges that begin in the same 100,000 numbers.
create table if not exists numbers (
  gateway text not null, log text not null, block bigint not null,
  came int8multirange not null, changed timestamptz not null default now(),
  primary key (gateway, log, block)
);

-- Steps of a clock, from the event `clock`: records of this boot up to `last` have a time that is wrong by `off` milliseconds.
create table if not exists clock_step (
  gateway text not null, log text not null, boot text not null, last bigint not null,
  off bigint not null, event_log text not null, event_seq bigint not null,
  primary key (gateway, log, boot, last)
);

-- The newest 1,000 messages that no consumer could store, as bytes, and how many there were.
create table if not exists refused (
  slot integer primary key, at timestamptz not null, worker text not null, topic text not null, why text not null,
  size bigint not null, payload bytea not null
);
create table if not exists refused_count (
  single boolean primary key default true check (single), count bigint not null
);
insert into refused_count (count) values (0) on conflict do nothing;

-- Ranges of numbers that did not come, between the first and the last that came. at_start: a start skipped them, or the last
-- readings before it still wait. Others can be on the way to a worker, wait at the gateway, or are lost; an event tells of a loss.
create or replace view gaps as
with came as (
  select gateway, log, range_agg(r) as ranges from (select gateway, log, unnest(came) as r from numbers) each_one
  group by gateway, log
), missing as (
  select gateway, log, unnest(int8multirange(range_merge(ranges)) - ranges) as r from came
)
select g.gateway, g.log, lower(g.r) as first, upper(g.r) - 1 as last,
  exists (select from notice n where n.gateway = g.gateway and n.log = g.log and n.seq = upper(g.r)
    and n.kind = 'event' and n.name = 'start') as at_start
from missing g;

-- Readings with the time that the gateway knows today.
create or replace view corrected as
select r.gateway, r.log, r.seq, r.device, r.point, r.value, r.text, r.quality, r.reason,
  r.time + coalesce(s.off, 0) * interval '1 millisecond' as time, r.estimated and s.off is null as estimated
from reading r left join lateral (
  select sum(c.off) as off from clock_step c
  where c.gateway = r.gateway and c.log = r.log and c.boot = r.boot and c.last >= r.seq
) s on true;

-- The points of the newest inventory of each gateway.
create or replace view points as
select i.gateway, d.key as device, p.key as point, p.value ->> 'type' as type, p.value ->> 'unit' as unit
from (select distinct on (gateway) gateway, body from inventory order by gateway, stored desc, revision desc) i,
  jsonb_each(i.body -> 'devices') d, jsonb_each(d.value -> 'points') p;

-- The newest transition of each rule: the highest number of the newest log.
create or replace view alarms as
select distinct on (n.gateway, n.name) n.gateway, n.name as rule, n.severity, n.state, n.message, n.time, n.log, n.seq
from notice n join (select gateway, log, min(stored) as since from notice group by gateway, log) l using (gateway, log)
where n.kind = 'alarm'
order by n.gateway, n.name, l.since desc, n.seq desc;

commit;
