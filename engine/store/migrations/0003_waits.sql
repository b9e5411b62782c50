-- What runs wait for: signals, approvals, events; signals that wait for a run; what is read of events that are waited for.

create table waits(
  run_id      integer not null,
  key         text not null,
  kind        text not null,
  name        text not null,
  match       text not null,
  state       text not null,
  scenario    text not null,
  simulated   integer not null,
  opened_at   real not null,
  due_at      real,
  token       text,
  detail      blob,
  answer      blob,
  answered_at real,
  answered_by text,
  primary key(run_id, key)
) without rowid;
-- an event finds the run that wants it among a million that do not
create index waits_open on waits(kind, name, match, simulated) where state = 'open';
create unique index waits_by_token on waits(token) where token is not null;

create table signals(
  id        integer primary key,
  name      text not null,
  match     text not null,
  simulated integer not null,
  data      blob not null,
  sent_at   real not null,
  until     real not null,
  reached   integer not null
);
create index signals_kept on signals(name, match, simulated) where reached = 0;
create index signals_until on signals(until);

create table wait_sources(
  source     text not null,
  id         text not null,
  module     text,
  connection text,
  config     blob not null,
  paths      blob not null,
  primary key(source, id)
) without rowid;
