-- name: put_schedule
-- Says where a schedule stands now.
insert into schedules(scenario, simulated, timetable, at, tick) values (?, ?, ?, ?, ?)
on conflict(scenario, simulated) do update
set timetable = excluded.timetable, at = excluded.at, tick = excluded.tick;

-- name: drop_schedule
-- Forgets where a schedule stands.
delete from schedules where scenario = ? and simulated = ?;

-- name: schedules
-- Where all schedules stand.
select scenario, simulated, timetable, at, tick from schedules order by scenario, simulated;

-- name: put_gone_trigger
-- Notes since when a scenario is not loaded.
insert into gone_triggers(scenario, since) values (?, ?)
on conflict(scenario) do update set since = excluded.since;

-- name: drop_gone_trigger
-- A scenario is loaded again, or nothing is kept of it.
delete from gone_triggers where scenario = ?;

-- name: gone_triggers
-- Since when scenarios are not loaded.
select scenario, since from gone_triggers order by scenario;

-- name: forget_schedules
-- Forgets the schedules of a scenario.
delete from schedules where scenario = ?;

-- name: forget_polls
-- Forgets where the polling of a scenario stands.
delete from polls where scenario = ?;

-- name: forget_poll_items
-- Forgets the records that the polling of a scenario has seen.
delete from poll_items where scenario = ?;
