"""Files that are no text, told by their first bytes, and called by their name."""

from __future__ import annotations

import re
from typing import Final

_WORKBOOK: Final = "save the sheet as CSV (UTF-8) and give that file"
_UNPACK: Final = "unpack it and give the file inside"

# (first bytes, what such a file is, what to do)
_KINDS: Final = (
    (b"PK\x05\x06", "an empty ZIP archive", "give the file itself"),
    (b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (XLS) or another Office file", _WORKBOOK),
    (b"%PDF", "a PDF", "ask its sender for the table as CSV"),
    (b"{\\rtf", "an RTF document", "save the table as CSV (UTF-8) and give that file"),
    # A file that is compressed once is unpacked before it is looked at.
    (b"\x1f\x8b", "compressed with gzip twice", "unpack it once"),
    (b"BZh", "compressed with bzip2", "unpack it, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it, or compress it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x78\x9f\x3e\x22", "an attachment of Outlook (winmail.dat)", "ask its sender for the file itself"),
    (b"-----BEGIN PGP", "encrypted with PGP", "decrypt it and give the file inside"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself"),
    (b"\x00\x01\x00\x00Standard ", "a database of Access", "write the table as CSV (UTF-8)"),
    (b"PAR1", "a Parquet file", "write it as CSV (UTF-8)"),
    (b"SQLite format 3\x00", "an SQLite database", "write the table as CSV (UTF-8)"),
    (b"\xff\xd8\xff", "a JPEG image", "give the table as CSV (UTF-8)"),
    (b"\x89PNG", "a PNG image", "give the table as CSV (UTF-8)"),
)
# (beginning of the text, in small letters)
_MARKUP: Final = (
    (
        "<!doctype html",
        "a web page (HTML)",
        "download the file itself: this may be a page that asks to sign in",
    ),
    ("<html", "a web page (HTML)", "download the file itself: this may be a page that asks to sign in"),
    ("<table", "a table in HTML", _WORKBOOK),
    ("<?xml", "XML", "give the table as CSV (UTF-8)"),
    ("<workbook", "XML", "give the table as CSV (UTF-8)"),
)
_MAIL: Final = re.compile(
    r"(?:mime-version: |received: from |return-path: |message-id: |delivered-to: "
    r"|(?:from|to|subject|date|sent): [^\n]*\n(?:from|to|cc|subject|date|sent): )"
)
_JSON: Final = re.compile(r"\{|\[\s*(?:[\[{\"]|$)")
_OFFICE: Final = ((b"xl/", "an Excel workbook (XLSX)"), (b"word/", "a Word document (DOCX)"))
_SHEET: Final = b"opendocument.spreadsheet"


def foreign_kind(start: bytes) -> str | None:
    """What a file with these first bytes is and what to do, when it is no text; else None."""
    for first, what, advice in _KINDS:
        if start.startswith(first):
            return _office(start) or f"it is {what}: {advice}"
    if start[257:262] == b"ustar":
        return f"it is a TAR archive: {_UNPACK}"
    text = start[:512].decode("utf-8", "ignore").lstrip("\ufeff \t\r\n").lower()
    if _MAIL.match(text):
        return "it is an e-mail: save its attachment and give that file"
    return next(
        (f"it is {what}: {advice}" for first, what, advice in _MARKUP if text.startswith(first)), None
    )


def looks_like_json(text: str) -> bool:
    """Whether a file whose text begins like this is JSON. A time in brackets, as in a chat, is none."""
    return _JSON.match(text) is not None


def _office(start: bytes) -> str | None:
    """Office files are ZIP archives whose first names tell them apart."""
    if not start.startswith(b"PK"):
        return None
    if _SHEET in start:
        return f"it is an OpenDocument spreadsheet (ODS): {_WORKBOOK}"
    if b"[Content_Types].xml" in start or b"xl/" in start:
        what = next((what for part, what in _OFFICE if part in start), "an Excel workbook (XLSX)")
        return f"it is {what}: {_WORKBOOK}"
    return None
