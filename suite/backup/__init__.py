"""Backups of a site: base copies, WAL, pictures and certificates, encrypted, in one archive folder."""
