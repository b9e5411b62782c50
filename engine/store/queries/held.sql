-- Held runs: a word on them, their next automatic try, another version.

-- name: hold_of_run
-- Why a run is held, for the check before a word on it.
select hold from runs where id = ?;

-- name: set_version
-- Lets a run go on under another version.
update runs set version = ? where id = ?;
