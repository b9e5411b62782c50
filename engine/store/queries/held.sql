-- Held runs: a word on them, their next automatic try, another version.

-- name: hold_of_run
-- Why a run is held, for the check before a word on it.
select hold from runs where id = ?;

-- name: event_of_run
-- The state of a run, and what it answers to, for the check that it is alone.
select state, receipt_id, scenario, origin from runs where id = ?;

-- name: other_run_of_event
-- A run of an event besides one that is in none of some states.
select id, state from runs
where receipt_id = ? and scenario = ? and origin = ? and id != ? and instr(?, ',' || state || ',') = 0 limit 1;

-- name: set_version
-- Lets a run go on under another version.
update runs set version = ? where id = ?;

-- name: due_held_runs
-- Held runs whose next automatic try is due, those due first before the others; not those of some scenarios.
select id from runs
where state = 'held' and simulated = :simulated and due_at <= :now and instr(:full, ',' || scenario || ',') = 0
order by due_at, id limit :limit;

-- name: last_words
-- What was said last of each run that went on since and is queued or running.
select id, scenario, (
  select output from journal where run_id = runs.id and kind = 'settled' order by position desc limit 1
) as word
from runs where state in ('queued', 'running') and simulated = ? and started_at is not null;
