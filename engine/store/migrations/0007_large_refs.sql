-- Triggers that count cost every run of those without large values; whoever writes one says whose it is instead.

drop trigger receipts_large_added;
drop trigger receipts_large_removed;
drop trigger receipts_large_changed;
drop trigger deliveries_large_added;
drop trigger deliveries_large_removed;
drop trigger deliveries_large_changed;
drop trigger runs_large_added;
drop trigger runs_large_removed;
drop trigger runs_large_changed;
drop trigger journal_large_added;
drop trigger journal_large_removed;
drop trigger journal_large_changed;
drop trigger effects_large_added;
drop trigger effects_large_removed;
drop trigger effects_large_changed;
drop trigger large_value_gone;
drop index large_values_unused;

-- whose a value is: a run, or with a negative number a receipt
create table large_refs(
  owner integer not null,
  hash  text not null,
  primary key(owner, hash)
) without rowid;
create index large_refs_by_hash on large_refs(hash);
insert or ignore into large_refs(owner, hash) select -id, body from receipts where typeof(body) = 'text';
insert or ignore into large_refs(owner, hash) select -receipt_id, event from deliveries where typeof(event) = 'text';
insert or ignore into large_refs(owner, hash) select id, result from runs where typeof(result) = 'text';
insert or ignore into large_refs(owner, hash) select id, notes from runs where typeof(notes) = 'text';
insert or ignore into large_refs(owner, hash) select run_id, output from journal where typeof(output) = 'text';
insert or ignore into large_refs(owner, hash) select run_id, notes from journal where typeof(notes) = 'text';
insert or ignore into large_refs(owner, hash) select run_id, request from effects where typeof(request) = 'text';
insert or ignore into large_refs(owner, hash) select run_id, output from effects where typeof(output) = 'text';
insert or ignore into large_refs(owner, hash) select run_id, notes from effects where typeof(notes) = 'text';
delete from large_values where refs <= 0;
alter table large_values drop column refs;
