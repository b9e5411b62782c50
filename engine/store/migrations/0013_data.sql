-- The project's data stores: records by key, and how many there are.

create table data(
  store      text not null,
  simulated  integer not null,
  key        text not null,
  version    integer not null,
  record     blob not null,
  updated_at real not null,
  primary key(store, simulated, key)
);
create index data_by_key on data(key);

create table data_stores(
  store     text not null,
  simulated integer not null,
  records   integer not null,
  changes   integer not null,
  primary key(store, simulated)
) without rowid;
