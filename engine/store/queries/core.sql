-- Receipts, runs, journal, effects. Columns stand in the order of the fields of engine/store/records.py, because rows
-- become those values by position.

-- name: add_receipt
-- Keeps a request that was taken.
insert into receipts(id, source, received_at, method, headers, query, body, subject) values(?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_delivery
-- Adds one event of a receipt for one scenario.
insert into deliveries(receipt_id, scenario, number, state, run_id, event, event_id, reason)
values(?, ?, ?, ?, ?, ?, ?, ?);

-- name: delivery_state
-- The state that a delivery is in.
select state from deliveries where receipt_id = ? and scenario = ? and number = ?;

-- name: set_delivery
-- Gives a delivery another fate.
update deliveries set state = ?, run_id = ?, event = ?, event_id = ?, reason = ?
where receipt_id = ? and scenario = ? and number = ?;

-- name: add_run
-- Adds a run.
insert into runs(id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject,
  started_at, ended_at, due_at, recoveries, hold, result, notes)
values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: run_state
-- The state and owner of a run, for the checks before a transaction.
select state, epoch from runs where id = ?;

-- name: move_run
-- Moves a run to a state; started_at is set when it runs for the first time.
update runs set state = ?, epoch = coalesce(?, epoch), due_at = ?, hold = ?, result = coalesce(?, result),
  notes = coalesce(?, notes), recoveries = recoveries + ?, started_at = coalesce(started_at, ?),
  ended_at = coalesce(?, ended_at)
where id = ?;

-- name: progress_run
-- Forgets the recoveries of a run that made progress.
update runs set recoveries = 0 where id = ? and recoveries != 0;

-- name: add_record
-- Adds or replaces a journal row.
insert or replace into journal(run_id, key, position, kind, at, module, request_hash, output, error, notes)
values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_effect
-- Adds a write's intent.
insert into effects(run_id, key, position, effect_key, scenario, module, effect, request, request_hash, state,
  intended_at, subject, settled_at, settled_by, output, error, reason, notes)
values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: settle_effect
-- Says how a write attempt ended, where that is not known yet.
update effects set state = ?, settled_at = ?, settled_by = ?, output = ?, error = ?, reason = ?,
  notes = coalesce(?, notes)
where run_id = ? and key = ? and state in ('intended', 'unknown');

-- name: add_version
-- Keeps the source of a scenario version once.
insert or ignore into versions(version, scenario, source, at) values(?, ?, ?, ?);

-- name: add_webhook
-- Adds a token.
insert into webhooks(token, name, created_at, valid_until, told_over, told_url) values(?, ?, ?, ?, ?, ?);

-- name: retire_webhook
-- Gives every token of a name that has no end yet an end.
update webhooks set valid_until = ? where name = ? and valid_until is null;

-- name: tell_webhook
-- Notes over which connection a vendor was told the URL of a token, and how.
update webhooks set told_over = ?, told_url = ? where token = ?;

-- name: put_secret
-- Adds or replaces an encrypted value.
insert or replace into secrets(name, value, at) values(?, ?, ?);

-- name: remove_secret
-- Removes an encrypted value.
delete from secrets where name = ?;

-- name: count_refusals
-- Adds to a counter of refused requests.
insert into refusal_counts(webhook, status, count) values(?, ?, ?)
on conflict(webhook, status) do update set count = count + excluded.count;

-- name: add_refusal
-- Keeps a refused request for diagnosis.
insert into refusals(at, webhook, status, reason, excerpt) values(?, ?, ?, ?, ?);

-- name: trim_refusals
-- Forgets all but the newest refused requests of a webhook.
delete from refusals where webhook = ? and id <= (
  select id from refusals where webhook = ? order by id desc limit 1 offset ?
);

-- name: put_poll
-- Says where a polling trigger stands.
insert or replace into polls(scenario, simulated, trigger, at, mark, sweep) values(?, ?, ?, ?, ?, ?);

-- name: put_poll_item
-- Adds or replaces a record that a polling trigger has seen.
insert or replace into poll_items(scenario, simulated, id, content, position, gone_at) values(?, ?, ?, ?, ?, ?);

-- name: drop_poll_item
-- Forgets one record that a polling trigger has seen.
delete from poll_items where scenario = ? and simulated = ? and id = ?;

-- name: drop_poll_items
-- Forgets all records that a polling trigger has seen.
delete from poll_items where scenario = ? and simulated = ?;

-- name: add_epoch
-- Starts an executor session.
insert into epochs(started_at) values(?);

-- name: prove
-- A write that leaves nothing behind but the proof that writing works.
insert or replace into proofs(id, at) values(1, ?);

-- name: largest_id
-- The largest id in use.
select max(coalesce((select max(id) from receipts), 0), coalesce((select max(id) from runs), 0),
  coalesce((select max(id) from alerts), 0), coalesce((select max(id) from signals), 0));

-- name: run
-- One run.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs where id = ?;

-- name: runs_any
-- Runs, newest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs
where id < :before and (:scenario is null or scenario = :scenario)
order by id desc limit :limit;

-- name: runs_by_subject
-- Runs about somebody, newest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs
where subject = :subject and id < :before and (:scenario is null or scenario = :scenario)
  and (:states is null or instr(:states, ',' || state || ',') > 0)
order by id desc limit :limit;

-- name: runs_by_receipt
-- Runs of a receipt, newest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs
where receipt_id = :receipt_id and id < :before and (:scenario is null or scenario = :scenario)
  and (:subject is null or subject = :subject)
  and (:states is null or instr(:states, ',' || state || ',') > 0)
order by id desc limit :limit;

-- name: runs_in_state
-- Runs in one state that wait for no moment, of one kind, newest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs
where state = :state and simulated = :simulated and due_at is null and id < :before
  and (:scenario is null or scenario = :scenario)
order by id desc limit :limit;

-- name: runs_waiting_in_state
-- Runs in one state that wait for a moment, newest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs
where state = :state and simulated = :simulated and due_at is not null and id < :before
  and (:scenario is null or scenario = :scenario)
order by id desc limit :limit;

-- name: run_counts
-- Number of runs by state.
select state, count(*) from runs group by state;

-- name: next_due
-- The earliest moment that a run in one state waits for.
select min(due_at) from runs where state = ? and simulated = ? and due_at is not null;

-- name: orphans
-- Running runs of earlier executor sessions, oldest first.
select id, scenario, version, receipt_id, number, origin, state, epoch, created_at, simulated, subject, started_at,
  ended_at, due_at, recoveries, hold, result, notes
from runs where state = 'running' and simulated = ? and epoch < ? order by id;

-- name: records
-- A run's journal.
select run_id, key, position, kind, at, module, request_hash, output, error, notes
from journal where run_id = ? order by position, key;

-- name: effects_of_run
-- All write attempts of a run.
select run_id, key, position, effect_key, scenario, module, effect, request, request_hash, state, intended_at, subject,
  settled_at, settled_by, output, error, reason, notes
from effects
where run_id = :run_id and (:scenario is null or scenario = :scenario) and (:subject is null or subject = :subject)
  and (:states is null or instr(:states, ',' || state || ',') > 0)
order by position, key;

-- name: effect_runs
-- Runs with wanted write attempts, newest first.
select distinct run_id from effects
where run_id < :before and (:scenario is null or scenario = :scenario)
  and (:states is null or instr(:states, ',' || state || ',') > 0)
order by run_id desc limit :limit;

-- name: effect_runs_not_done
-- Runs with wanted write attempts none of which is done, newest first.
select distinct run_id from effects
where state != 'done' and run_id < :before and (:scenario is null or scenario = :scenario)
  and (:subject is null or subject = :subject)
  and instr(:states, ',' || state || ',') > 0
order by run_id desc limit :limit;

-- name: effect_runs_by_subject
-- Runs with write attempts about somebody, newest first.
select distinct run_id from effects
where subject = :subject and run_id < :before and (:scenario is null or scenario = :scenario)
  and (:states is null or instr(:states, ',' || state || ',') > 0)
order by run_id desc limit :limit;

-- name: effect_count
-- Number of all write attempts.
select count(*) from effects;

-- name: effect_counts_not_done
-- Number of write attempts that are not done, by state.
select state, count(*) from effects where state != 'done' group by state;

-- name: effects_by_key
-- All attempts of a write, of whichever run, oldest first.
select run_id, key, position, effect_key, scenario, module, effect, request, request_hash, state, intended_at, subject,
  settled_at, settled_by, output, error, reason, notes
from effects where effect_key = ? order by run_id, position, key;

-- name: receipt
-- One receipt.
select id, source, received_at, method, headers, query, body, subject from receipts where id = ?;

-- name: receipts_any
-- Receipts, newest first.
select id, source, received_at, method, headers, query, body, subject from receipts
where id < :before and (:source is null or source = :source)
  and (:state is null or exists(select 1 from deliveries where receipt_id = receipts.id and state = :state))
order by id desc limit :limit;

-- name: receipts_by_subject
-- Receipts about somebody, newest first.
select id, source, received_at, method, headers, query, body, subject from receipts
where subject = :subject and id < :before and (:source is null or source = :source)
  and (:state is null or exists(select 1 from deliveries where receipt_id = receipts.id and state = :state))
order by id desc limit :limit;

-- name: receipts_without_run
-- Receipts with a delivery in one of the states that make no run, newest first.
select distinct r.id, r.source, r.received_at, r.method, r.headers, r.query, r.body, r.subject
from deliveries d join receipts r on r.id = d.receipt_id
where d.state = :state and d.state != 'run' and d.receipt_id < :before and (:source is null or r.source = :source)
order by d.receipt_id desc limit :limit;

-- name: delivery
-- One event of a receipt for one scenario.
select receipt_id, scenario, number, state, run_id, event, event_id, reason
from deliveries where receipt_id = ? and scenario = ? and number = ?;

-- name: deliveries
-- The deliveries of a receipt.
select receipt_id, scenario, number, state, run_id, event, event_id, reason
from deliveries where receipt_id = ? order by scenario, number;

-- name: receipt_count
-- Number of all receipts.
select count(*) from receipts;

-- name: delivery_count
-- Number of all deliveries.
select count(*) from deliveries;

-- name: delivery_counts_without_run
-- Number of deliveries that made no run, by state.
select state, count(*) from deliveries where state != 'run' group by state;

-- name: version
-- The source of a scenario version.
select source from versions where version = ?;

-- name: webhooks
-- All tokens, the oldest first.
select token, name, created_at, valid_until, told_over, told_url from webhooks order by created_at, token;

-- name: polls
-- Where all polling triggers stand.
select scenario, simulated, trigger, at, mark, sweep from polls order by scenario, simulated;

-- name: poll_items
-- The records that a polling trigger has seen.
select id, content, position, gone_at from poll_items where scenario = ? and simulated = ? order by id;

-- name: secrets
-- All encrypted values.
select name, value from secrets order by name;

-- name: refusal_counts
-- The counters of refused requests.
select webhook, status, count from refusal_counts order by webhook, status;

-- name: refusals
-- The last refused requests, newest first.
select at, webhook, status, reason, excerpt from refusals order by at desc, id desc;

-- name: claim_store
-- Say whose store this is, unless that was said before.
insert into about(name, value) values('environment', ?) on conflict do nothing;

-- name: store_environment
-- Whose store this is.
select value from about where name = 'environment';
