-- Who may run when: what is queued, what is due, lanes, gatherings, identities.

-- name: know_identity
-- Remembers by what an event is known again, unless one is known by it already.
insert into identities(scenario, key, receipt_id, until) values(?1, ?2, ?3, ?5)
on conflict(scenario, key) do update set receipt_id = excluded.receipt_id, until = excluded.until
where until <= ?4;

-- name: original_receipt
-- The receipt by which an event came to a scenario first.
select receipt_id from identities where scenario = ? and key = ?;

-- name: forget_identities
-- Forgets some of the identities whose time is over.
delete from identities where rowid in (select rowid from identities where until <= ? order by until limit ?);

-- name: redirect_delivery
-- Gives a delivery that was just added another fate.
update deliveries set state = ?, run_id = ?, reason = ? where receipt_id = ? and scenario = ? and number = ?;

-- name: lane_of_run
-- Where a run stands in its lane.
select run_id, lane, most, holds, replaces, standing from lanes where run_id = ?;

-- name: enter_lane
-- Gives a run a lane.
insert into lanes(run_id, lane, most, holds, replaces, standing) values(?, ?, ?, ?, ?, ?);

-- name: stand_in_lane
-- Says where a run stands in its lane.
update lanes set standing = ? where run_id = ?;

-- name: leave_lane
-- Takes a run out of its lane.
delete from lanes where run_id = ?;

-- name: places_taken
-- How many places of a lane are taken, counted up to a number.
select count(*) from (select 1 from lanes where lane = ? and standing = 'active' limit ?);

-- name: first_in_lane
-- The oldest run that stands so in a lane.
select run_id, lane, most, holds, replaces, standing from lanes where lane = ? and standing = ?
order by run_id limit 1;

-- name: replacement_in_lane
-- The newest run of a lane, after an older one, that replaces others.
select max(run_id) from lanes where lane = ? and run_id > ? and replaces = 1 and standing != 'ended';

-- name: replaceable_in_lane
-- Older runs of a lane that have not begun, or wait.
select r.id, r.state from lanes as l join runs as r on r.id = l.run_id
where l.lane = ? and l.run_id < ? and l.standing != 'ended'
  and (r.state in ('blocked', 'sleeping', 'waiting') or (r.state = 'queued' and r.started_at is null));

-- name: release_run
-- Lets a blocked run into the queue.
update runs set state = 'queued' where id = ?;

-- name: scenario_of_run
-- The scenario of a run.
select scenario from runs where id = ?;

-- name: gathering
-- The run that gathers events of a key, and until when.
select run_id, until from gatherings where key = ?;

-- name: begin_gathering
-- Says which run gathers events of a key.
insert into gatherings(key, run_id, until) values(?, ?, ?);

-- name: end_gathering
-- The run gathers no more.
delete from gatherings where run_id = ?;

-- name: gather_event
-- Gives a gathering run a newer event.
update runs set receipt_id = ?, number = ?, origin = ?, subject = ?, due_at = ? where id = ?;

-- name: queued_scenarios
-- Scenarios with queued runs of one kind.
with recursive found(name) as (
  select min(scenario) from runs where state = 'queued' and simulated = :simulated
  union all
  select (select min(scenario) from runs where state = 'queued' and simulated = :simulated and scenario > name)
  from found where name is not null
)
select name from found where name is not null;

-- name: queued_runs
-- Queued runs of a scenario, oldest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs where state = 'queued' and simulated = ? and scenario = ? order by id limit ?;

-- name: due_runs
-- Runs in one state whose moment has come, the earliest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs where state = ? and simulated = ? and due_at <= ? order by due_at limit ?;

-- name: started_since
-- How many of the newest runs of a scenario began after a moment.
select count(*) from (select scenario, started_at from runs order by id desc limit 20000)
where scenario = ? and started_at > ?;
