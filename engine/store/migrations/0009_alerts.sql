-- What operators are told of, and what of it has reached them.

-- runs that failed or were held, written with that very move; whoever tells of them drops them, so that
-- a run that is removed meanwhile is told of nevertheless
create table troubles(
  number    integer primary key autoincrement,
  run       integer not null,
  scenario  text not null,
  simulated integer not null,
  state     text not null,
  at        real not null
);

-- one row for each message to one channel; what comes before it is sent is counted in it
create table alerts(
  id        integer primary key,
  channel   text not null,
  kind      text not null,
  event     text not null,
  scenario  text not null,
  simulated integer not null,
  times     integer not null,
  first_at  real not null,
  last_at   real not null,
  detail    blob not null,
  state     text not null,
  attempts  integer not null,
  due_at    real not null,
  tried_at  real,
  ended_at  real,
  error     text
);
create index alerts_waiting on alerts(due_at) where state = 'waiting';
create index alerts_by_group on alerts(channel, kind, event, scenario, simulated, id);

-- what is watched for, since when, and whether it was told
create table standings(
  kind      text not null,
  scenario  text not null,
  simulated integer not null,
  since     real not null,
  raised_at real,
  times     integer not null,
  primary key(kind, scenario, simulated)
) without rowid;

-- how many runs a scenario with `expect` had, by moments of a small part of its window
create table heard(
  scenario  text not null,
  simulated integer not null,
  at        real not null,
  count     integer not null,
  primary key(scenario, simulated, at)
) without rowid;
