-- Large values stand once, by their hash: the column then holds the hash as text where it else holds a blob.

create table large_values(
  hash  text primary key,
  value blob not null,
  refs  integer not null
);
-- written for a row that was refused then; pruning takes them
create index large_values_unused on large_values(hash) where refs <= 0;
-- the last one that refers to a value takes it along
create trigger large_value_gone after update of refs on large_values when new.refs <= 0 begin
  delete from large_values where hash = new.hash;
end;

-- the references are counted by the file itself, so that no statement can forget it
create trigger receipts_large_added after insert on receipts when typeof(new.body) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.body and typeof(new.body) = 'text';
end;
create trigger receipts_large_removed after delete on receipts when typeof(old.body) = 'text' begin
  update large_values set refs = refs - 1 where hash = old.body and typeof(old.body) = 'text';
end;
create trigger receipts_large_changed after update of body on receipts when typeof(old.body) = 'text' or typeof(new.body) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.body and typeof(new.body) = 'text';
  update large_values set refs = refs - 1 where hash = old.body and typeof(old.body) = 'text';
end;
create trigger deliveries_large_added after insert on deliveries when typeof(new.event) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.event and typeof(new.event) = 'text';
end;
create trigger deliveries_large_removed after delete on deliveries when typeof(old.event) = 'text' begin
  update large_values set refs = refs - 1 where hash = old.event and typeof(old.event) = 'text';
end;
create trigger deliveries_large_changed after update of event on deliveries when typeof(old.event) = 'text' or typeof(new.event) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.event and typeof(new.event) = 'text';
  update large_values set refs = refs - 1 where hash = old.event and typeof(old.event) = 'text';
end;
create trigger runs_large_added after insert on runs when typeof(new.result) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.result and typeof(new.result) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
end;
create trigger runs_large_removed after delete on runs when typeof(old.result) = 'text' or typeof(old.notes) = 'text' begin
  update large_values set refs = refs - 1 where hash = old.result and typeof(old.result) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
create trigger runs_large_changed after update of result, notes on runs when typeof(old.result) = 'text' or typeof(old.notes) = 'text' or typeof(new.result) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.result and typeof(new.result) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
  update large_values set refs = refs - 1 where hash = old.result and typeof(old.result) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
create trigger journal_large_added after insert on journal when typeof(new.output) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.output and typeof(new.output) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
end;
create trigger journal_large_removed after delete on journal when typeof(old.output) = 'text' or typeof(old.notes) = 'text' begin
  update large_values set refs = refs - 1 where hash = old.output and typeof(old.output) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
create trigger journal_large_changed after update of output, notes on journal when typeof(old.output) = 'text' or typeof(old.notes) = 'text' or typeof(new.output) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.output and typeof(new.output) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
  update large_values set refs = refs - 1 where hash = old.output and typeof(old.output) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
create trigger effects_large_added after insert on effects when typeof(new.request) = 'text' or typeof(new.output) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.request and typeof(new.request) = 'text';
  update large_values set refs = refs + 1 where hash = new.output and typeof(new.output) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
end;
create trigger effects_large_removed after delete on effects when typeof(old.request) = 'text' or typeof(old.output) = 'text' or typeof(old.notes) = 'text' begin
  update large_values set refs = refs - 1 where hash = old.request and typeof(old.request) = 'text';
  update large_values set refs = refs - 1 where hash = old.output and typeof(old.output) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
create trigger effects_large_changed after update of request, output, notes on effects when typeof(old.request) = 'text' or typeof(old.output) = 'text' or typeof(old.notes) = 'text' or typeof(new.request) = 'text' or typeof(new.output) = 'text' or typeof(new.notes) = 'text' begin
  update large_values set refs = refs + 1 where hash = new.request and typeof(new.request) = 'text';
  update large_values set refs = refs + 1 where hash = new.output and typeof(new.output) = 'text';
  update large_values set refs = refs + 1 where hash = new.notes and typeof(new.notes) = 'text';
  update large_values set refs = refs - 1 where hash = old.request and typeof(old.request) = 'text';
  update large_values set refs = refs - 1 where hash = old.output and typeof(old.output) = 'text';
  update large_values set refs = refs - 1 where hash = old.notes and typeof(old.notes) = 'text';
end;
