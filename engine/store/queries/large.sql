-- Large values, kept once by their hash.

-- name: add_large
-- Keeps a value; the row that refers to it follows.
insert or ignore into large_values(hash, value, refs) values(?, ?, 0);

-- name: large
-- One value.
select value from large_values where hash = ?;

-- name: unused_large
-- Values that nothing refers to.
select hash from large_values indexed by large_values_unused where refs <= 0 order by hash limit ?;

-- name: prune_large
-- Removes a value, if still nothing refers to it.
delete from large_values where hash = ? and refs <= 0;

-- name: large_sizes
-- How many large values there are, how many bytes, and how many bytes they would be without being shared.
select count(*), coalesce(sum(length(value)), 0), coalesce(sum(length(value) * refs), 0) from large_values;
