-- Erasing a subject: what is about it, and what is left of the rows.

-- name: receipts_about
-- Receipts that are about a subject, or that brought an event to a run that is.
select id from receipts where subject = :subject
union select receipt_id from runs where subject = :subject
union select d.receipt_id from deliveries as d
  join receipts as r on r.id = d.receipt_id
  where d.state = 'run' and d.reason is not null and d.run_id in (select id from runs where subject = :subject)
  and instr(coalesce(r.subject, ''), :mark) != 1
order by 1 limit :limit;

-- name: effects_about
-- Runs that are gone, and of which writes are left that are about a subject.
select distinct run_id from effects where subject = :subject
  and not exists(select 1 from runs where id = effects.run_id) limit :limit;

-- name: runs_of_receipt
-- The runs that have an event of a receipt: id, state, subject, and whether the whole body is their event.
select r.id, r.state, r.subject, d.event is null from deliveries as d join runs as r on r.id = d.run_id
where d.receipt_id = ? and d.state = 'run' order by r.id;

-- name: erase_receipt
-- Leaves of a receipt when it came, how, and from where.
update receipts set headers = x'7b7d', query = x'7b7d', body = x'6e756c6c', subject = ? where id = ?;

-- name: erase_delivery
-- Leaves of a delivery what became of it.
update deliveries set event = null, event_id = null, reason = case when state in ('run', 'duplicate') then reason end
where receipt_id = :receipt and (state != 'run' or run_id = :run);

-- name: large_of_erased
-- The values of a receipt that none of its deliveries has any more.
select hash from large_refs where owner = -:id
  and hash not in (select event from deliveries where receipt_id = :id and typeof(event) = 'text');

-- name: erase_run
-- Leaves of a run its states and times. Its subject stays until the last receipt that it had events of is blanked.
update runs set subject = case when receipt_id = ? then ? else subject end, hold = null, notes = null,
  result = case state when 'failed' then ? else null end where id = ?;

-- name: erase_journal
-- Leaves of a run's journal which steps it went through.
update journal set output = x'6e756c6c', request_hash = null, notes = null,
  error = case when error is null then null else ? end
where run_id = ?;

-- name: erase_effects
-- Leaves of a run's writes which they were, and how they ended.
update effects set request = x'6e756c6c', request_hash = '', output = null, reason = null, notes = null,
  subject = case when subject is null then null else ? end, error = case when error is null then null else ? end
where run_id = ?;

-- name: erase_waits
-- Leaves of what a run waited for that it did.
update waits set match = '', token = null, detail = null, answer = null, answered_by = null where run_id = ?;

-- name: erase_refusals
-- Refused requests that show a subject go.
delete from refusals where instr(excerpt, ?) > 0;
