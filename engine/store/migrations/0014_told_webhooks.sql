-- Which URLs of webhooks a vendor was told by its API: over which connection, and the whole URL as it was told.
alter table webhooks add column told_over text;
alter table webhooks add column told_url text;
