-- From the next reload on, commits wait for no standby.
alter system set synchronous_standby_names = ''
