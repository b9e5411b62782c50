-- Which run was called by which: for the trace, and for whom the end of a run is an answer.

create table calls(
  run_id       integer primary key,
  caller_id    integer not null,
  key          text not null,
  awaited      integer not null,
  depth        integer not null,
  root         integer not null,
  effect_key   text not null,
  request_hash text not null
);
create index calls_by_caller on calls(caller_id);
-- a replay finds the run that was called before
create index calls_by_key on calls(effect_key);
