-- Pruning: what is old enough, each question answered from an index, and how it goes.

-- name: ended_scenarios
-- The scenarios that have runs which ended, each found by one step into the index.
with recursive found(scenario) as (
  select min(scenario) from runs indexed by runs_ended where ended_at is not null
  union all
  select (select min(scenario) from runs indexed by runs_ended where ended_at is not null and scenario > found.scenario)
  from found where found.scenario is not null
)
select scenario from found where scenario is not null;

-- name: ended_runs
-- The runs of a scenario that ended in a state before a moment, oldest first, after a place in that order.
select ended_at, id from runs indexed by runs_ended
where scenario = :scenario and state = :state and ended_at is not null and ended_at < :before
  and (ended_at, id) > (:after_at, :after_id)
order by ended_at, id limit :limit;

-- name: ended_count
-- Number of runs of a scenario that ended in a state.
select count(*) from runs indexed by runs_ended where scenario = ? and state = ? and ended_at is not null;

-- name: old_deliveries
-- Deliveries in a state that makes no run, of receipts before an id, oldest first, after a place in that order.
select receipt_id, scenario, number from deliveries indexed by deliveries_without_run
where state = :state and state != 'run' and receipt_id < :before
  and (receipt_id, scenario, number) > (:after_receipt, :after_scenario, :after_number)
order by receipt_id, scenario, number limit :limit;

-- name: kept_keys
-- What stayed of runs that are gone and is over since a moment, oldest first.
select at, id from kept_keys where kind = ? and at < ? order by at, id limit ?;

-- name: kept_key_counts
-- Number of runs and receipts of which only keys are left.
select kind, count(*) from kept_keys group by kind;

-- name: version_names
-- All scenario versions.
select version, scenario from versions order by version;

-- name: versions_of_runs
-- The versions of the runs after an id, in a step of so many runs.
select id, version from runs where id > ? order by id limit ?;

-- name: oldest_receipt
-- When the oldest receipt came.
select received_at from receipts order by id limit 1;

-- name: oldest_run
-- When the oldest run was made.
select created_at from runs order by id limit 1;

-- name: prunable_run
-- A run that ended before a moment, with its delivery.
select receipt_id, scenario, number from runs
where id = ? and instr(?, ',' || state || ',') > 0 and ended_at < ?;

-- name: effects_of_ended_run
-- How many writes a run made, how many of them have no known outcome, and when the last was made that is done.
select count(*), coalesce(sum(state in ('intended', 'unknown')), 0), max(case when state = 'done' then intended_at end)
from effects where run_id = ?;

-- name: prune_journal
-- Removes so many rows of a run's journal.
delete from journal where rowid in (select rowid from journal where run_id = ? limit ?);

-- name: prune_effects
-- Removes a run's writes but those that are done since a moment: these answer for their effect keys.
delete from effects where run_id = ? and (state != 'done' or intended_at < ?);

-- name: blank_effects
-- Leaves of a run's writes what answers for their effect keys.
update effects set request = x'6e756c6c', error = null, notes = null where run_id = ?;

-- name: prune_run
-- Removes a run.
delete from runs where id = ?;

-- name: prune_delivery
-- Removes the delivery that made a run.
delete from deliveries where receipt_id = ? and scenario = ? and number = ? and run_id = ?;

-- name: gathered_receipts
-- The receipts whose events a run gathered before its last one.
select distinct receipt_id from deliveries where run_id = ? and state = 'run' and reason is not null;

-- name: prune_gathered
-- Removes the deliveries whose events a run gathered.
delete from deliveries where run_id = ? and state = 'run' and reason is not null;

-- name: prune_idle_delivery
-- Removes a delivery that made no run, if it is still in the state in which it was found.
delete from deliveries where receipt_id = ? and scenario = ? and number = ? and state = ? and state != 'run';

-- name: prune_receipt
-- Removes a receipt of which no run and no delivery is left but what tells duplicates.
delete from receipts where id = :id
  and not exists(select 1 from runs where receipt_id = :id)
  and not exists(select 1 from deliveries where receipt_id = :id and state != 'run');

-- name: keep_key
-- Says that something stays of a run that is gone.
insert or ignore into kept_keys(kind, at, id) values(?, ?, ?);

-- name: drop_key
-- Nothing stays of it any more.
delete from kept_keys where kind = ? and at = ? and id = ?;

-- name: expire_effects
-- Removes so many writes of a run that is gone; what has no known outcome stays.
delete from effects where rowid in (
  select rowid from effects where run_id = :id and state not in ('intended', 'unknown') limit :limit
) and not exists(select 1 from runs where id = :id);

-- name: prune_version
-- Removes a scenario version.
delete from versions where version = ?;

-- name: prune_waits
-- Removes what a run waited for.
delete from waits where run_id = ?;
