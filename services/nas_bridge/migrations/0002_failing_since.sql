-- Since when a destination has taken nothing although there was something to deliver; null while it takes.

alter table forwarders add column failing_since timestamptz;
