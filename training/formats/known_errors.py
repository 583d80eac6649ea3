"""What Python and the operating system say of damaged files, for the catalogues of pages.

Errors quote it with `training.sentences.quoted`. What is not listed stays English.
"""

from __future__ import annotations

from training.sentences import sentence

OF_JSON = (
    sentence("Expecting value"),
    sentence("Expecting property name enclosed in double quotes"),
    sentence("Expecting ':' delimiter"),
    sentence("Expecting ',' delimiter"),
    sentence("Extra data"),
    sentence("Unterminated string starting at"),
    sentence("Invalid control character at"),
    sentence("Invalid \\escape"),
    sentence("Invalid \\uXXXX escape"),
    sentence("Illegal trailing comma before end of object"),
    sentence("Illegal trailing comma before end of array"),
)
OF_CSV = (
    sentence("unexpected end of data"),
    sentence("line contains NUL"),
    sentence("',' expected after '\"'"),
    sentence("';' expected after '\"'"),
    sentence("'|' expected after '\"'"),
    sentence("'\t' expected after '\"'"),
)
OF_PACKED_FILES = (
    sentence("Compressed file ended before the end-of-stream marker was reached"),
    sentence("File is not a zip file"),
    sentence("Bad magic number for central directory"),
    sentence("That compression method is not supported"),
    sentence("File contains no valid workbook part"),
    sentence(
        "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a "
        "parquet file."
    ),
)
OF_ENCODINGS = (
    sentence("illegal multibyte sequence"),
    sentence("incomplete multibyte sequence"),
    sentence("truncated data"),
    sentence("illegal encoding"),
    sentence("unexpected end of data"),
)
OF_THE_SYSTEM = (
    sentence("No such file or directory"),
    sentence("Permission denied"),
    sentence("Is a directory"),
    sentence("Input/output error"),
    sentence("No space left on device"),
    sentence("Disk quota exceeded"),
    sentence("Read-only file system"),
    sentence("Stale file handle"),
    sentence("Too many open files"),
)
