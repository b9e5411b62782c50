-- What operators are told of. Columns stand in the order of the fields of engine/store/alerts_rows.py.

-- name: add_trouble
-- Notes a run that failed or was held, with its move.
insert into troubles(run, scenario, simulated, state, at) select id, scenario, simulated, ?, ? from runs where id = ?;

-- name: drop_troubles
-- Forgets the troubles that were told.
delete from troubles where simulated = ? and number <= ?;

-- name: count_alert
-- Counts into the message that waits for its first try, where there is one.
update alerts set times = times + :times, last_at = :last_at, detail = :detail
where channel = :channel and kind = :kind and event = :event and scenario = :scenario and simulated = :simulated
  and state = :state and attempts = 0 and (state = 'waiting' or first_at + :every > :first_at);

-- name: last_try
-- When a channel was last told of something; a moment to come is one of a clock that was set back since.
select max(coalesce(tried_at, first_at)) from alerts
where channel = ? and kind = ? and event = ? and scenario = ? and simulated = ? and coalesce(tried_at, first_at) <= ?;

-- name: add_alert
-- Adds a message, unless it is there: a commit that was reported as failed may have been kept all the same.
insert into alerts(id, channel, kind, event, scenario, simulated, times, first_at, last_at, detail, state, attempts,
  due_at, tried_at, ended_at, error)
values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict(id) do nothing;

-- name: try_alert
-- Says that a message is about to be sent: from now on nothing is counted into it.
update alerts set attempts = attempts + 1, tried_at = coalesce(tried_at, :at) where id = :id and state = 'waiting';

-- name: settle_alert
-- Says what became of a try.
update alerts set state = :state, ended_at = :ended_at, due_at = :due_at, error = :error
where id = :id and state = 'waiting';

-- name: prune_alerts
-- Forgets messages that came to an end long ago.
delete from alerts where state != 'waiting' and last_at < ?;

-- name: put_standing
-- Says how something that is watched stands.
insert or replace into standings(kind, scenario, simulated, since, raised_at, times) values(?, ?, ?, ?, ?, ?);

-- name: drop_standing
-- Watches for something no longer.
delete from standings where kind = ? and scenario = ? and simulated = ?;

-- name: add_heard
-- Counts a run of a scenario with `expect`.
insert into heard(scenario, simulated, at, count) values(?, ?, ?, 1)
on conflict(scenario, simulated, at) do update set count = count + 1;

-- name: drop_heard
-- Forgets the counts that no window reaches back to.
delete from heard where scenario = ? and simulated = ? and at < ?;

-- name: troubles
-- Runs that failed or were held, the earliest first.
select number, run, scenario, state, at from troubles where simulated = ? order by number limit ?;

-- name: alerts
-- Messages, newest first.
select id, channel, kind, event, scenario, simulated, times, first_at, last_at, detail, state, attempts, due_at,
  tried_at, ended_at, error
from alerts where id < ? order by id desc limit ?;

-- name: due_alerts
-- Messages to be sent now, the earliest first, none before an older one of the same thing; what is too far off is due too.
select id, channel, kind, event, scenario, simulated, times, first_at, last_at, detail, state, attempts, due_at,
  tried_at, ended_at, error
from alerts as one
where state = 'waiting' and (due_at <= :now or due_at > :far) and channel not in (select value from json_each(:busy))
  and not exists (
    select 1 from alerts as older
    where older.channel = one.channel and older.kind = one.kind and older.event in ('raised', 'recovered')
      and older.scenario = one.scenario and older.simulated = one.simulated and older.id < one.id
      and older.state = 'waiting')
order by due_at, id limit :limit;

-- name: alert
-- One message.
select id, channel, kind, event, scenario, simulated, times, first_at, last_at, detail, state, attempts, due_at,
  tried_at, ended_at, error
from alerts where id = ?;

-- name: next_alert
-- When the next message is to be sent.
select min(due_at) from alerts as one
where state = 'waiting' and not exists (
    select 1 from alerts as older
    where older.channel = one.channel and older.kind = one.kind and older.event in ('raised', 'recovered')
      and older.scenario = one.scenario and older.simulated = one.simulated and older.id < one.id
      and older.state = 'waiting');

-- name: failed_alert
-- The newest message that did not get through at its last try.
select id, channel, kind, event, scenario, simulated, times, first_at, last_at, detail, state, attempts, due_at,
  tried_at, ended_at, error
from alerts where error is not null order by id desc limit 1;

-- name: standings
-- How everything stands that is watched.
select kind, scenario, simulated, since, raised_at, times from standings order by kind, scenario, simulated;

-- name: heard
-- Runs of a scenario after a moment.
select coalesce(sum(count), 0) from heard where scenario = ? and simulated = ? and at > ?;

-- name: oldest_queued
-- The run that waits longest for its first claim.
select id, scenario, created_at from runs
where state = 'queued' and simulated = ? and due_at is null and started_at is null order by id limit 1;

-- name: oldest_in
-- The oldest run in one state that waits for no moment, and when it first ran.
select id, scenario, coalesce(started_at, 0.0) from runs
where state = ? and simulated = ? and due_at is null order by id limit 1;

-- name: overdue_runs
-- The run whose moment passed first, of those in one state.
select id, scenario, due_at from runs where state = ? and simulated = ? and due_at <= ? order by due_at limit 1;

-- name: stranded_runs
-- Waiting runs that no open wait and no moment will wake.
select id, scenario, coalesce(started_at, 0.0) from runs
where state = 'waiting' and simulated = ? and due_at is null
  and not exists (select 1 from waits where waits.run_id = runs.id and waits.state = 'open') limit ?;

-- name: open_counts
-- Number of runs of one kind in each state that is not an end.
select state, count(*) from runs
where state in ('queued', 'gathering', 'blocked', 'running', 'sleeping', 'waiting', 'held') and simulated = ? group by state;

-- name: running_runs
-- Runs that have an owner, or should have.
select id, epoch from runs where state = 'running' and simulated = ?;
