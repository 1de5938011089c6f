-- From the next reload on, commits wait until the synchronous standby has them on its disk.
alter system set synchronous_standby_names = 'gantry_standby'
