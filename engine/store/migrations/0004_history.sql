-- How history ends: runs that ended are found by scenario and age, and keys outlive their runs.

-- appended to when a run ends; the pruner reads it from its old end
create index runs_ended on runs(scenario, state, ended_at) where ended_at is not null;
-- what stays of runs that are gone until its own time is over: effect keys by run, event ids by receipt, long journals
create table kept_keys(
  kind text not null,
  at   real not null,
  id   integer not null,
  primary key(kind, at, id)
) without rowid;
