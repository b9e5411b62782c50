-- Which run was called by which. Columns stand in the order of the fields of engine/store/calls.py.

-- name: put_call
-- Notes a call, or who waits for it now.
insert or replace into calls(run_id, caller_id, key, awaited, depth, root, effect_key, request_hash)
values(?, ?, ?, ?, ?, ?, ?, ?);

-- name: any_call
-- Whether any run was called.
select exists(select 1 from calls);

-- name: call_of_run
-- The call by which a run was started.
select run_id, caller_id, key, awaited, depth, root, effect_key, request_hash from calls where run_id = ?;

-- name: calls_by_run
-- The calls that a run made, each with its run's scenario and state.
select c.run_id, c.caller_id, c.key, c.awaited, c.depth, c.root, c.effect_key, c.request_hash, r.scenario, r.state
from calls as c join runs as r on r.id = c.run_id where c.caller_id = ? order by c.run_id;

-- name: result_of_run
-- How a run is, and what it came to.
select state, result from runs where id = ?;

-- name: prune_call
-- Forgets of a run that goes now the calls, by it or of it, whose other run is gone: replays of a caller must know them.
delete from calls where (run_id = :id and not exists(select 1 from runs where id = calls.caller_id))
  or (caller_id = :id and not exists(select 1 from runs where id = calls.run_id));

-- name: skip_call
-- Says in the caller's journal that no run was made.
update journal set kind = 'answered', output = ? where run_id = ? and key = ?;

-- name: call_under_key
-- The last call under an effect key.
select run_id, caller_id, key, awaited, depth, root, effect_key, request_hash from calls
where effect_key = ? order by run_id desc limit 1;
