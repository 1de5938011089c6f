"""What a read is: its columns, one read of them, its identity, its times and the appends that carry it.

Pure: needs the contracts, `anpr` and the standard library.
"""
