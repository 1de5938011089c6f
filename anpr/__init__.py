"""Rules for plates, force codes and camera ids that all services share.

Pure: no network, no database, no settings.
"""
