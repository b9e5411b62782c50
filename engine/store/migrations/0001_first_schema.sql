-- The first schema. JSON columns are blobs, times are Unix seconds, ids grow with time.

pragma application_id = 1397964105;

create table receipts(
  id          integer primary key,
  source      text not null,
  received_at real not null,
  method      text not null,
  headers     blob not null,
  query       blob not null,
  body        blob not null,
  subject     text
);
create index receipts_by_subject on receipts(subject) where subject is not null;

create table deliveries(
  receipt_id integer not null,
  scenario   text not null,
  number     integer not null,
  state      text not null,
  run_id     integer,
  event      blob,
  event_id   text,
  reason     text,
  primary key(receipt_id, scenario, number)
) without rowid;
-- the rule that an event is taken once per scenario
create unique index deliveries_by_event on deliveries(scenario, event_id)
  where event_id is not null and state != 'duplicate';
-- most deliveries become runs; the others are the ones that people look for
create index deliveries_without_run on deliveries(state, receipt_id) where state != 'run';

create table runs(
  id         integer primary key,
  scenario   text not null,
  version    text not null,
  receipt_id integer not null,
  number     integer not null,
  origin     text not null,
  state      text not null,
  epoch      integer not null,
  created_at real not null,
  simulated  integer not null,
  subject    text,
  started_at real,
  ended_at   real,
  due_at     real,
  recoveries integer not null,
  hold       blob,
  result     blob,
  notes      blob
);
-- one index finds the next run, the next wait and the orphans, and counts the states; runs that ended lie apart in it
create index runs_by_state on runs(state, simulated, due_at);
create index runs_by_receipt on runs(receipt_id);
create index runs_by_subject on runs(subject) where subject is not null;

-- journal and effects have rowids: rows of some kilobytes are written a quarter to a third faster so, and lie closer
create table journal(
  run_id       integer not null,
  key          text not null,
  position     integer not null,
  kind         text not null,
  at           real not null,
  module       text,
  request_hash text,
  output       blob,
  error        blob,
  notes        blob,
  primary key(run_id, key)
);

create table effects(
  run_id       integer not null,
  key          text not null,
  position     integer not null,
  effect_key   text not null,
  scenario     text not null,
  module       text not null,
  effect       text not null,
  request      blob not null,
  request_hash text not null,
  state        text not null,
  intended_at  real not null,
  subject      text,
  settled_at   real,
  settled_by   text,
  output       blob,
  error        blob,
  reason       text,
  notes        blob,
  primary key(run_id, key)
);
create index effects_by_key on effects(effect_key);
-- few writes are not done; they are the ones that people and recovery look for
create index effects_not_done on effects(state, run_id) where state != 'done';
create index effects_by_subject on effects(subject, run_id) where subject is not null;

create table versions(
  version  text primary key,
  scenario text not null,
  source   blob not null,
  at       real not null
) without rowid;

create table webhooks(
  token       text primary key,
  name        text not null,
  created_at  real not null,
  valid_until real
);

create table secrets(
  name  text primary key,
  value blob not null,
  at    real not null
) without rowid;

create table refusal_counts(
  webhook text not null,
  status  integer not null,
  count   integer not null,
  primary key(webhook, status)
) without rowid;

create table refusals(
  id      integer primary key,
  at      real not null,
  webhook text not null,
  status  integer not null,
  reason  text not null,
  excerpt text not null
);
create index refusals_by_webhook on refusals(webhook);

-- executor sessions
create table epochs(
  number     integer primary key autoincrement,
  started_at real not null
);

-- one row, written to prove that the file takes writes again
create table proofs(
  id integer primary key check(id = 1),
  at real not null
);
