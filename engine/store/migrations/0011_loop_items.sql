-- Items of streams with a key of their own that a checkpoint stands for, so that one that comes again is known again.

create table loop_items(
  run_id integer not null,
  path   text not null,
  name   blob not null,
  primary key(run_id, path, name)
) without rowid;
