-- Lanes, gatherings, and identities on a clock of their own.

-- the next runs of each scenario; only queued ones are in it
create index runs_queued on runs(simulated, scenario, id) where state = 'queued';

-- runs that share a key with others; standing: active, blocked, away (it waits and keeps no place), ended (it failed)
create table lanes(
  run_id   integer primary key,
  lane     text not null,
  most     integer not null,
  holds    integer not null,
  replaces integer not null,
  standing text not null
);
create index lanes_in_order on lanes(lane, standing, run_id);

-- runs that have not begun and take newer events of their key for their own
create table gatherings(
  key    text primary key,
  run_id integer not null unique,
  until  real not null
) without rowid;

-- by what an event is known again; apart from the deliveries, which go with history
create table identities(
  scenario   text not null,
  key        text not null,
  receipt_id integer not null,
  until      real not null,
  primary key(scenario, key)
);
create index identities_by_end on identities(until);

-- deliveries whose events another one's run took over
create index deliveries_gathered on deliveries(run_id) where state = 'run' and reason is not null;

drop index deliveries_by_event;
-- what was known before is known for ninety days more
insert into identities(scenario, key, receipt_id, until)
  select d.scenario, d.event_id, min(d.receipt_id), max(r.received_at) + 7776000
  from deliveries as d join receipts as r on r.id = d.receipt_id
  where d.event_id is not null and d.state != 'duplicate' group by d.scenario, d.event_id;
