-- Compares the table `reading` with what a gateway has:
--
--   sluice export -c gateway.yaml > export.csv
--   psql -q -d sluice -f compare.sql < export.csv
--
-- The key makes it impossible that a reading is here twice.
set client_min_messages = warning;
create temporary table export (
  log text, seq bigint, boot text, device text, point text, time text, value text, unit text, quality text, reason text
);
\copy export from pstdin with (format csv, header true)

create temporary view compared as
select e.*, r.point is null as absent, r.point is null and e.seq > (
    select max(upper(n.came)) - 1 from numbers n where n.log = e.log) as newer,
  r.quality = e.quality and r.reason is not distinct from e.reason and r.boot = e.boot
    -- A time that was estimated may have become better at the gateway since.
    and (r.estimated or e.time like '%?' or r.time = e.time::timestamptz)
    and case when r.quality = 'bad' then e.value is null
      -- The export puts ' before a text that a spreadsheet would take for a formula.
      when r.text is not null then coalesce(e.value, '') in (r.text, '''' || r.text)
      when e.value ~ '^[-+0-9.e]+$' then r.value = e.value::float8 end as same
from export e left join reading r on r.log = e.log and r.seq = e.seq and r.point = e.point and r.device = e.device;

select count(*) as exported, count(*) filter (where same) as same, count(*) filter (where newer) as not_here_yet,
  count(*) filter (where absent and not coalesce(newer, false)) as missing, count(*) filter (where not absent and same is not true) as different
from compared;

select log, seq, device, point, time, value, case when absent then 'missing' else 'different' end as fault
from compared where not coalesce(newer, false) and same is not true order by log, seq, point limit 20;
