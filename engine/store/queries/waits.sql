-- What runs wait for. Columns stand in the order of the fields of engine/store/waits.py.

-- name: put_wait
-- Adds or replaces a wait.
insert or replace into waits(run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token,
  detail, answer, answered_at, answered_by)
values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: wait
-- One wait.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits where run_id = ? and key = ?;

-- name: wait_by_token
-- The wait that a link leads to.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits where token = ?;

-- name: waits_of_run
-- All waits of a run.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits where run_id = ? order by key;

-- name: open_waits
-- Open waits for one thing, the oldest run first.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits indexed by waits_open
where kind = ? and name = ? and match = ? and simulated = ? and state = 'open' order by run_id, key limit ?;

-- name: open_waits_by_name
-- Open waits for anything of one name.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits indexed by waits_open where kind = ? and name = ? and state = 'open' limit ?;

-- name: open_waits_of_kind
-- Open waits of one kind.
select run_id, key, kind, name, match, state, scenario, simulated, opened_at, due_at, token, detail, answer, answered_at,
  answered_by
from waits indexed by waits_open where kind = ? and state = 'open' limit ?;

-- name: end_wait
-- Says how a wait ended, or that an answer came before it was open.
update waits set state = ?, answer = ?, answered_at = ?, answered_by = ? where run_id = ? and key = ?;

-- name: end_wait_record
-- Says in the journal how a wait ended.
update journal set kind = ?, at = ?, output = coalesce(?, output) where run_id = ? and key = ? and kind = 'waiting';

-- name: release_token
-- Takes a link from the wait that it led to.
update waits set token = null where token = ? and (run_id != ? or key != ?);

-- name: add_signal
-- Keeps a signal.
insert or ignore into signals(id, name, match, simulated, data, sent_at, until, reached) values(?, ?, ?, ?, ?, ?, ?, ?);

-- name: reach_signal
-- Counts the runs that a signal reached.
update signals set reached = reached + ? where id = ?;

-- name: signal
-- One signal.
select id, name, match, simulated, data, sent_at, until, reached from signals where id = ?;

-- name: kept_signal
-- The oldest signal that waits for a run.
select id, name, match, simulated, data, sent_at, until, reached from signals indexed by signals_kept
where name = ? and match = ? and simulated = ? and reached = 0 and until > ? order by id limit 1;

-- name: drop_signals
-- Forgets signals whose time is over.
delete from signals where until < ?;

-- name: add_wait_source
-- Remembers what is read of the events of a webhook.
insert or ignore into wait_sources(source, id, module, connection, config, paths) values(?, ?, ?, ?, ?, ?);

-- name: wait_sources
-- What is read of events that runs wait for.
select source, id, module, connection, config, paths from wait_sources order by source, id;
