-- Where polling triggers stand: the mark of what was seen, and the records that the mark alone cannot tell.

create table polls(
  scenario  text not null,
  simulated integer not null,
  trigger   text not null,
  at        real not null,
  mark      blob,
  sweep     blob,
  primary key(scenario, simulated)
) without rowid;

create table poll_items(
  scenario  text not null,
  simulated integer not null,
  id        text not null,
  content   text not null,
  position  blob,
  gone_at   real,
  primary key(scenario, simulated, id)
) without rowid;
