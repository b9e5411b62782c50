-- What the store as a whole is. `environment` is the one that it was made for, empty for none. A store that was executed
-- before there were environments was made for none.
create table about(name text primary key, value text not null) without rowid;
insert into about(name, value) select 'environment', '' where exists(select 1 from epochs);
