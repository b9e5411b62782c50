-- The project's data stores. Columns stand in the order of the fields of engine/store/data.py.

-- name: data_record
-- One record.
select store, simulated, key, version, record, updated_at from data where store = ? and simulated = ? and key = ?;

-- name: put_data
-- Adds or replaces a record.
insert or replace into data(store, simulated, key, version, record, updated_at) values(?, ?, ?, ?, ?, ?);

-- name: drop_data
-- Removes a record.
delete from data where store = ? and simulated = ? and key = ?;

-- name: data_standing
-- How many records a store has, and how many changes it had.
select records, changes from data_stores where store = ? and simulated = ?;

-- name: stand_data
-- Says how many there are now.
insert or replace into data_stores(store, simulated, records, changes) values(?, ?, ?, ?);

-- name: data_standings
-- All stores that ever had a record.
select store, simulated, records, changes from data_stores order by store, simulated;

-- name: data_of_key
-- The records of a key, in whatever store.
select store, simulated, key, version, record, updated_at from data where key = ?;

-- name: data_from
-- Records of a store in the order of their keys.
select store, simulated, key, version, record, updated_at from data
where store = :store and simulated = :simulated and key > :after and key >= :prefix
  and substr(key, 1, length(:prefix)) = :prefix
order by key limit :limit;

-- name: all_data
-- Records of all stores.
select store, simulated, key, version, record, updated_at from data limit ?;
