"""Open files of any kind as a stream of UTF-8 text, or as a table. Standard library only.

Files may be packed with gzip or zip and be in any of the usual encodings. What is unpacked is
bounded by what was read.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

from training.formats.lines import RankingFileError
from training.formats.reading import Reading
from training.sentences import quoted, sentence

HEAD = 2**16  # bytes that are looked at to tell an encoding
MOST_RATIO = 200  # of what is unpacked to what was read ...
MOST_UNPACKED = 100 * 2**20  # ... once that many bytes are unpacked
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "windows-1252": "Windows-1252 (Western Europe, Excel)",
    "windows-1250": "Windows-1250 (Central Europe)",
    "windows-1251": "Windows-1251 (Cyrillic)",
    "iso-8859-1": "ISO 8859-1 (Latin 1)",
    "iso-8859-15": "ISO 8859-15 (Latin 9)",
    "mac-roman": "Mac Roman",
    "shift_jis": "Shift JIS",
    "euc-kr": "EUC-KR",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "koi8-r": "KOI8-R",
}
KINDS = (  # of files that are not read, by their first bytes
    (b"\xd0\xcf\x11\xe0", sentence("is an old Excel workbook: save it as .xlsx or as CSV")),
    (b"BZh", sentence("is compressed with bzip2: unpack it first, or compress it with gzip")),
    (b"\xfd7zXZ", sentence("is compressed with xz: unpack it first, or compress it with gzip")),
    (
        b"\x28\xb5\x2f\xfd",
        sentence("is compressed with zstd: unpack it first, or compress it with gzip"),
    ),
    (b"7z\xbc\xaf", sentence("is a 7-Zip archive: unpack it first, or make a zip file")),
    (b"Rar!", sentence("is a RAR archive: unpack it first, or make a zip file")),
    (b"SQLite format 3", sentence("is an SQLite database: export its table as CSV")),
    (b"ARROW1", sentence("is an Arrow file: save it as Parquet or JSON lines")),
    (b"\x93NUMPY", sentence("is a NumPy array: save its rows as JSON lines or CSV")),
    (
        b"\x80\x04",
        sentence("is a pickle, which is never opened: save it as JSON lines, CSV or Parquet"),
    ),
    (
        b"\x80\x05",
        sentence("is a pickle, which is never opened: save it as JSON lines, CSV or Parquet"),
    ),
    (b"%PDF", sentence("is a PDF: export the table as CSV")),
    (b"<!doctype", sentence("is a page of HTML: save it as JSON lines, CSV or Parquet")),
    (b"<html", sentence("is a page of HTML: save it as JSON lines, CSV or Parquet")),
    (b"<?xml", sentence("is XML: save it as JSON lines, CSV or Parquet")),
)


class BeginningOnlyError(RankingFileError):
    """Raised after the beginning of a file, if only that is to be read."""


class EncodingError(RankingFileError):
    """Raised for a file whose encoding is not certain; `likely` is the best guess."""

    def __init__(self, problem: str, how: str, likely: str) -> None:
        super().__init__(problem, how)
        self.likely = likely


class Tells(Protocol):
    def tell(self) -> int: ...


@dataclass
class OpenFile:
    """Hold an open file. `stream` is its text in UTF-8, or None for a table of its own kind."""

    raw: Tells
    size: int | None
    name: str
    stream: IO[bytes] | None
    table: str = ""  # parquet or workbook
    reading: Reading = field(default_factory=Reading)


@dataclass
class Limits:
    """Say how much of a file is read: `at_most` bytes of its text, within some `seconds`.

    `beat` is called whenever more of the file is read.
    """

    at_most: int | None = None
    seconds: float | None = None
    beat: Callable[[], object] | None = None


class Metered(io.RawIOBase):
    """Read a stream within limits."""

    def __init__(self, rest: IO[bytes], raw: Tells, limits: Limits, *, packed: bool) -> None:
        self.rest = rest
        self.raw = raw
        self.limits = limits
        self.packed = packed
        self.unpacked = 0
        self.began = time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        limits = self.limits
        if limits.beat is not None:
            limits.beat()
        left = len(buffer)
        if limits.at_most is not None:
            left = min(left, limits.at_most - self.unpacked)
        late = limits.seconds is not None and time.monotonic() - self.began > limits.seconds
        if left <= 0 or (late and self.unpacked):
            raise BeginningOnlyError(sentence("its first lines are too long to be shown"))
        given = self.rest.read1(left)  # type: ignore[attr-defined]
        buffer[: len(given)] = given
        self.unpacked += len(given)
        if (
            self.packed
            and self.unpacked > MOST_UNPACKED
            and self.unpacked > MOST_RATIO * max(self.raw.tell(), 1)
        ):
            raise RankingFileError(
                sentence(
                    "unpacks to more than %(times)s times its size, which rankings never do",
                    times=MOST_RATIO,
                )
            )
        return len(given)


class Recoded(io.RawIOBase):
    """Read a stream of text in some encoding as UTF-8, with line feeds if it has CR alone."""

    def __init__(self, rest: IO[bytes], encoding: str, *, cr_alone: bool = False) -> None:
        self.rest = rest
        self.encoding = encoding
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.cr_alone = cr_alone
        self.ready = b""
        self.done = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready and not self.done:
            given = self.rest.read(2**16)
            self.done = not given
            try:
                text = self.decoder.decode(given, final=self.done)
            except UnicodeDecodeError as error:
                raise RankingFileError(
                    sentence(
                        "is not %(encoding)s: %(problem)s",
                        encoding=ENCODINGS.get(self.encoding, self.encoding),
                        problem=quoted(error.reason),
                    )
                ) from error
            if self.cr_alone:
                text = text.replace("\r", "\n")
            self.ready = text.encode("utf-8", "surrogatepass")
        given, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


def buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw, 2**17)


def open_file(
    stack: ExitStack, path: str, *, encoding: str | None = None, limits: Limits | None = None
) -> OpenFile:
    """Open a file, `-` for standard input. Raises RankingFileError where it cannot be read."""
    limits = limits or Limits()
    raw, size = opened(stack, path)
    file = OpenFile(raw, size, Path(path).name, None)
    head = raw.peek(8)[:16]
    if head[:4] == b"PAR1":
        file.table = "parquet"
        return file
    stream: IO[bytes] = raw
    if head[:2] == b"PK":
        member = zip_member(stack, path)
        if member is None:
            file.table = "workbook"
            return file
        stream, file.name = member
        file.reading.packed = sentence("a zip file (%(name)s)", name=file.name)
    elif head[:2] == b"\x1f\x8b":
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        file.name = file.name.removesuffix(".gz")
        file.reading.packed = "gzip"
    text = buffered(Metered(stream, raw, limits, packed=bool(file.reading.packed)))
    file.stream = decoded(text, file, encoding)
    return file


def opened(stack: ExitStack, path: str) -> tuple[io.BufferedReader, int | None]:
    """Open the file, and return it with its size in bytes; None for a pipe."""
    if path == "-":
        stdin: Any = sys.stdin.buffer
        return stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(stdin), None
    try:
        raw = stack.enter_context(open(path, "rb"))  # noqa: SIM115 - the stack closes it
        return raw, Path(path).stat().st_size if raw.seekable() else None  # a pipe has none
    except OSError as error:
        raise RankingFileError(
            sentence("cannot be opened: %(problem)s", problem=quoted(error.strerror))
        ) from error


def zip_member(stack: ExitStack, path: str) -> tuple[IO[bytes], str] | None:
    """Open the one file in a zip file, and return it with its name; None for a workbook."""
    if not Path(path).is_file():
        raise RankingFileError(
            sentence(
                "a zip file is read from its end: give the name of a file, "
                "not standard input or a pipe"
            )
        )
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = archive.namelist()
        if "[Content_Types].xml" in names:
            if any(name.startswith("xl/") for name in names):
                return None
            raise RankingFileError(
                sentence("is a document of an office program: export its table as CSV")
            )
        files = [
            name
            for name in names
            if not name.endswith("/")
            and not name.startswith("__MACOSX/")
            and not PurePosixPath(name).name.startswith(".")
        ]
        if len(files) != 1:
            some = ", ".join(files[:5]) or sentence("none")
            raise RankingFileError(
                sentence(
                    "is a zip file of %(number)s files (%(names)s): give one with a single file",
                    number=str(len(files)),
                    names=some,
                )
            )
        return stack.enter_context(archive.open(files[0])), PurePosixPath(files[0]).name
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise RankingFileError(
            sentence("is a zip file that cannot be opened: %(problem)s", problem=quoted(error))
        ) from error


def decoded(stream: io.BufferedReader, file: OpenFile, encoding: str | None) -> IO[bytes]:
    """Return a stream of UTF-8, given one in an encoding that is told or found at its beginning."""
    head = beginning_of(stream)
    markup = head[:100].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for magic, problem in KINDS:
        if head.startswith(magic) or (magic[:1] == b"<" and markup.startswith(magic)):
            raise RankingFileError(problem)
    for magic in (b"PAR1", b"PK\x03\x04", b"\x1f\x8b"):
        if head.startswith(magic):
            raise RankingFileError(
                sentence("is packed twice, or a table in a packed file: unpack it first")
            )
    encoding = encoding or encoding_of(head)
    file.reading.encoding = ENCODINGS.get(encoding, encoding.upper())
    sample = head.decode(encoding, errors="replace")
    cr_alone = "\r" in sample and "\n" not in sample
    if encoding == "utf-8" and not cr_alone:
        return stream  # lines and rows say where they are not UTF-8
    return buffered(Recoded(stream, encoding, cr_alone=cr_alone))


def beginning_of(stream: io.BufferedReader) -> bytes:
    """Return the beginning of a stream without reading it."""
    try:
        return stream.peek(HEAD)[:HEAD]
    except (EOFError, OSError, zipfile.BadZipFile) as error:
        raise unreadable_file(error) from error


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text by its beginning. Raises EncodingError where it is not sure."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    even, odd = head[0:2000:2], head[1:2000:2]
    if len(odd) > 3 and odd.count(0) > len(odd) * 0.4 > even.count(0):
        return "utf-16-le"
    if len(odd) > 3 and even.count(0) > len(even) * 0.4 > odd.count(0):
        return "utf-16-be"
    if b"\0" in head[:1024]:
        raise RankingFileError(
            sentence("is not a text file; see docs/data-format.md for what is read")
        )
    characters = Counter(head.decode(errors="replace"))
    bad = characters["\ufffd"]
    good = sum(count for sign, count in characters.items() if sign > "\x7f") - bad
    if bad >= 2 and bad > good:  # otherwise a few of its lines are damaged
        likely = likely_encoding(head)
        raise EncodingError(
            sentence(
                "is not UTF-8. It looks like %(encoding)s",
                encoding=ENCODINGS[likely].split(" (")[0],
            ),
            f": save it as UTF-8, or read it with --encoding {likely} and look at its letters",
            likely,
        )
    return "utf-8"


def likely_encoding(head: bytes) -> str:
    """Return the encoding that bytes which are not UTF-8 most likely have: a guess to be shown."""
    letters = re.findall(rb"[A-Za-z\x80-\xff]", head)
    high = [letter[0] for letter in letters if letter[0] >= 0x80]
    undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # in Windows-1252
    if len(high) < len(letters) / 2:
        return "windows-1252" if undefined.isdisjoint(high) else "mac-roman"
    if sum(byte >= 0xC0 for byte in high) > 0.95 * len(high):
        return "windows-1251"
    for encoding in ("shift_jis", "euc-kr", "gb18030"):
        with suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder(encoding)().decode(head)
            return encoding
    return "windows-1252"


def unreadable_file(error: Exception) -> RankingFileError:
    """Return the error for a file that cannot be read on."""
    if isinstance(error, gzip.BadGzipFile | EOFError) or "zlib" in type(error).__module__:
        return RankingFileError(
            sentence("the gzip file is damaged or cut short: %(problem)s", problem=quoted(error))
        )
    if isinstance(error, zipfile.BadZipFile):
        return RankingFileError(
            sentence("the zip file is damaged or cut short: %(problem)s", problem=quoted(error))
        )
    return RankingFileError(sentence("the file cannot be read: %(problem)s", problem=quoted(error)))
