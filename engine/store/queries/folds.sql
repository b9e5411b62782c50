-- Loops with checkpoints: what a run still remembers of them.

-- name: effects_within
-- The write attempts of a run whose keys are in a range.
select run_id, key, position, effect_key, scenario, module, effect, request, request_hash, state, intended_at, subject,
  settled_at, settled_by, output, error, reason, notes
from effects where run_id = ? and key >= ? and key < ?;

-- name: folded_record
-- What must be known of a journal row before it goes.
select kind, output, notes from journal where run_id = ? and key = ?;

-- name: drop_record
-- Removes a journal row.
delete from journal where run_id = ? and key = ?;

-- name: large_in_journal
-- Whether a row of a run's journal still holds a large value.
select 1 from journal where run_id = :run_id and (output = :hash or notes = :hash);

-- name: add_loop_item
-- Keeps the name of an item that is over.
insert or ignore into loop_items(run_id, path, name) values(?, ?, ?);

-- name: known_item
-- Whether an item is over.
select 1 from loop_items where run_id = ? and path = ? and name = ?;

-- name: prune_loop_items
-- Removes so many names of a run's items.
delete from loop_items where (run_id, path, name) in (
  select run_id, path, name from loop_items where run_id = ? limit ?
);

-- name: erase_loop_items
-- Removes the names of a run's items.
delete from loop_items where run_id = ?;
