"""Files as people have them: their shapes, encodings and archives, and their limits."""

import gzip
import io
import json
import zipfile
from typing import Any

import openpyxl
import pytest

from tests.training.formats.reading import Files, asked, order, record
from training.formats.opening import EncodingError, Limits
from training.formats.ranking_file import (
    Line,
    RankingFileError,
    open_ranking_file,
)


def test_json_may_be_an_array_an_object_or_columns(files: Files) -> None:
    row = {"prompt": "Why?", "chosen": "a", "rejected": "b"}
    for content in (
        json.dumps([row]),
        json.dumps([row], indent=2),
        json.dumps({"version": 1, "data": [row]}),
        json.dumps({"items": [row]}),
        json.dumps({"rows": [{"row_idx": 0, "row": row}]}),
        json.dumps({key: {"0": value} for key, value in row.items()}),
        json.dumps({key: [value] for key, value in row.items()}),
        json.dumps(row, indent=1),
        "\ufeff" + json.dumps(row),
    ):  # fmt: skip
        assert order(files.one(content, "pairs.json")) == [["a"], ["b"]], content
    marks = "\ufeff" + json.dumps(row) + "\n\ufeff" + json.dumps(row | {"prompt": "How?"})
    assert len(files.read(marks)) == 2
    assert "is not JSON at item 2" in files.refused(json.dumps([row])[:-1] + ", {broken]", "x.json")


def test_an_array_is_read_as_a_stream(files: Files) -> None:
    rows = [{"prompt": f"Why {n}?", "chosen": "a" * 100, "rejected": "b"} for n in range(2000)]
    path = files.write(json.dumps(rows), "array.json")
    with open_ranking_file(path, limits=Limits(at_most=2**16)) as file:
        lines = iter(file)
        assert isinstance(next(lines), Line)
        with pytest.raises(RankingFileError, match="first lines"):
            list(lines)
    assert len(files.read(json.dumps(rows), "array.json")) == 2000


def test_items_after_a_large_one_are_read_in_linear_time(files: Files) -> None:
    large = {"prompt": "Why?", "chosen": "a" * 2**20, "rejected": "b"}
    rows = [
        large,
        *({"prompt": f"How {n}?", "chosen": "a", "rejected": "b"} for n in range(30_000)),
    ]
    assert len(files.read(json.dumps(rows), "array.json")) == 30_001


def test_a_number_of_thousands_of_digits_is_refused(files: Files) -> None:
    assert "is not JSON at item 1" in files.refused('[{"prompt": ' + "9" * 5000 + "}]", "x.json")


TABLE = (
    "prompt;response;rank\n"
    "Wo ist das Café Müller?;Über der Brücke – rechts.;1\n"
    "Wo ist das Café Müller?;Dort.;2\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_are_read_in_their_encoding_with_any_ends_of_lines(
    files: Files, encoding: str, end: str
) -> None:
    line = files.one(TABLE.replace("\n", end).encode(encoding), "excel.csv")
    assert order(line) == [["Über der Brücke – rechts."], ["Dort."]]
    assert asked(line) == [("user", "Wo ist das Café Müller?")]


def test_windows_1252_is_named_and_read_when_told(files: Files) -> None:
    raw = TABLE.encode("windows-1252")
    with pytest.raises(
        EncodingError, match=r"looks like Windows-1252.*--encoding windows-1252"
    ) as e:
        files.read(raw, "excel.csv")
    assert e.value.likely == "windows-1252"
    line = files.one(raw, "excel.csv", encoding="windows-1252")
    assert order(line)[0] == ["Über der Brücke – rechts."]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Почему небо голубое?", "windows-1251"), ("空はなぜ青いのですか。", "shift_jis")],
)
def test_another_alphabet_is_not_taken_for_a_western_one(
    files: Files, text: str, encoding: str
) -> None:
    content = f"prompt;chosen;rejected\n{text * 3};{text};-\n".encode(encoding)
    with pytest.raises(EncodingError) as error:
        files.read(content, "table.csv")
    assert error.value.likely == encoding


def test_what_is_unpacked_is_bounded_by_what_was_read(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.formats.opening.MOST_UNPACKED", 2**20)
    packed = gzip.compress(b"\n" * 2**24)
    assert "unpacks to more than 200 times its size" in files.refused(packed, "blank.jsonl.gz")
    assert "unpacks to more than 200 times its size" in files.refused(
        zipped({"blank.jsonl": b"\n" * 2**24}), "blank.zip"
    )


def test_an_import_can_be_stopped_while_nothing_but_blank_lines_comes(files: Files) -> None:
    class StoppedError(Exception):
        pass

    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 5:
            raise StoppedError

    path = files.write(b"\n" * 2**22)
    with pytest.raises(StoppedError), open_ranking_file(path, limits=Limits(beat=beat)) as file:
        list(file)


def test_a_line_of_very_many_ids_is_refused_by_their_number(files: Files) -> None:
    ids = [str(n) for n in range(200_000)]
    responses = [{"id": id_, "text": id_} for id_ in ids]
    reason = files.bad(record(prompt="Why?", responses=responses, ranking=[[i] for i in ids]))
    assert reason == "ranks 200000 responses; a ranking has 2 to 9"


def test_a_reason_that_quotes_the_file_is_cut(files: Files) -> None:
    responses = [{"id": "x" * 400 + str(n), "text": str(n)} for n in range(2)]
    reason = files.bad(record(prompt="Why?", responses=responses, ranking=[["y" * 400]]))
    assert len(reason) == 301


def test_a_record_of_very_many_or_very_long_keys_is_a_bad_line(files: Files) -> None:
    many = {f"key {n}": 1 for n in range(5000)}
    for more in (many, {"x" * 20_000: 1}):
        assert "a ranking has few" in files.bad(record(question="Why?", chosen="a", **more))
    line = files.one(record(prompt="Why?", responses=[{"id": "a", "text": "a"}], **{"x" * 999: 1}))
    assert line.ranking is None
    assert files.said[-1] == ("not read", "x" * 100 + "… (1)")


def test_a_table_of_very_many_columns_is_refused(files: Files) -> None:
    assert "has 5,000 columns" in files.refused(",".join(f"c{n}" for n in range(5000)), "wide.csv")


def workbook(rows: list[list[Any]], *more: str) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for title in more:
        book.create_sheet(title).append(["x"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_a_workbook_is_read(files: Files) -> None:
    rows = [
        [None, None, None],
        ["prompt", "response", "rank"],
        ["Why?", "a", 2],
        ["Why?", 7, 1.0],
        [],
    ]
    line = files.one(workbook(rows, "Notes"), "book.xlsx")
    assert (line.number, order(line)) == (3, [["7"], ["a"]])
    assert files.said[0] == ("file", "Excel workbook, sheet Sheet (not Notes)")


def test_a_workbook_that_cannot_be_opened_says_what_to_do(files: Files) -> None:
    whole = workbook([["prompt", "chosen", "rejected"], ["Why?", "a", "b"]])
    assert "is an Excel workbook that cannot be opened" in files.refused(
        zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"}), "x.xlsx"
    )
    assert "zip file that cannot be opened" in files.refused(whole[: len(whole) // 2], "x.xlsx")


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_file_of_one_file_is_read(files: Files) -> None:
    pair = record(prompt="Why?", chosen="a", rejected="b").encode()
    packed = zipped({"data.jsonl": pair, "__MACOSX/._data.jsonl": b"x", ".DS_Store": b"x"})
    assert order(files.one(packed, "data.zip")) == [["a"], ["b"]]
    assert "zip file of 2 files (a.jsonl, b.jsonl)" in files.refused(
        zipped({"a.jsonl": pair, "b.jsonl": pair}), "data.zip"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x04\x95pickle", "a pickle, which is never opened"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"<html><table></table>", "a page of HTML"),
        (b"\n<!doctype html>\n<HTML lang=en>", "a page of HTML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "XML"),
        (b"\x00\x01\x02\x03\x05\x06", "is not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x90\xff", "is not a text file"),
    ],
)
def test_other_files_are_named_in_one_sentence(files: Files, content: bytes, reason: str) -> None:
    assert reason in files.refused(content, "file.bin")


def test_empty_rows_and_columns_of_a_spreadsheet_are_passed_over(files: Files) -> None:
    content = "sep=;\nprompt;best;middle;worst;;\nWhy?;a;b;c;;\n;;;;;\nHow?;d;e;;;\n"
    first, second = files.read(content, "excel.csv")
    assert (len(first.responses), len(second.responses)) == (3, 2)
