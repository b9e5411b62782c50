-- Large values, kept once by their hash.

-- name: add_large
-- Keeps a value once.
insert or ignore into large_values(hash, value) values(?, ?);

-- name: own_large
-- Says whose a value is.
insert or ignore into large_refs(owner, hash) values(?, ?);

-- name: open_effect
-- Whether an outcome of a write would be taken.
select 1 from effects where run_id = ? and key = ? and state in ('intended', 'unknown');

-- name: large
-- One value.
select value from large_values where hash = ?;

-- name: large_of
-- The values of an owner, but those that its remaining writes have as output.
select hash from large_refs
where owner = :owner and hash not in (select output from effects where run_id = :owner and typeof(output) = 'text');

-- name: disown_large
-- A value is not its any more.
delete from large_refs where owner = ? and hash = ?;

-- name: drop_large
-- Removes a value that is nobody's.
delete from large_values where hash = :hash and not exists(select 1 from large_refs where hash = :hash);

-- name: large_sizes
-- How many large values there are, and how many bytes.
select count(*), coalesce(sum(length(value)), 0) from large_values;
