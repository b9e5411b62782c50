-- Where schedules stand, and since when scenarios whose standing is kept are no longer loaded.

create table schedules(
  scenario  text not null,
  simulated integer not null,
  timetable text not null,
  at        real not null,
  tick      real,
  primary key(scenario, simulated)
) without rowid;

create table gone_triggers(
  scenario text primary key,
  since    real not null
) without rowid;
