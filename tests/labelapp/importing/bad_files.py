"""Files with bad lines, and files that cannot be read, of every kind that there is."""

import gzip
import io
import json
import zipfile
from typing import Any

import openpyxl

from tests.labelapp.importing.uploads import line, lines

TWO = [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]
ARCHIVED = {"origin": "here", "version": 1}
TASK = {"labeller": "ann", "shown": ["a", "b"], "created_at": "2026-03-01T12:00Z"}
MESSAGE = {"role": "user", "content": "Why?"}


def archived(**fields: Any) -> dict[str, Any]:
    return line(1, **ARCHIVED | fields)


def waiting(**fields: Any) -> dict[str, Any]:
    found = line(1, wanted=1) | fields
    del found["ranking"]
    return found


def pair(chosen: Any, rejected: Any, **fields: Any) -> dict[str, Any]:
    return {"chosen": chosen, "rejected": rejected} | fields


def turns(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(contents)]


BAD_LINES: list[Any] = [
    *(b"{", b'{"prompt": }', b'{"a": 1} x', b'{"a": "b', b'{"a" 1}', b'{a: 1}', b'{"a": "\\q"}'),
    *(b'{"a": "\\u12"}', b'{"a": 1 "b"}', b'{"a": "\t"}', b'{"a": "\xff"}', b"[" * 100_000, 7, []),
    line(1, prompt=""),
    line(1, prompt=[]),
    line(1, prompt=["x", 7]),
    line(1, prompt=[{"role": "user"}]),
    line(1, prompt="a\0b"),
    line(1, prompt=[{"role": "us\0er", "content": "x"}]),
    line(1, responses=[]),
    line(1, responses=["x", 7]),
    line(1, responses=[7]),
    line(1, responses=TWO[:1], ranking=[["a"]]),
    line(1, responses=[TWO[0], TWO[0]]),
    line(1, responses=[TWO[0], {"id": "b", "text": "x"}]),
    line(1, responses=[{"id": "a", "text": ""}]),
    line(1, responses=[{"id": [], "text": "x"}]),
    line(1, responses=[{"id": "i" * 999, "text": "x"}]),
    line(1, responses=[{"id": "a", "text": "x\0"}]),
    line(1, responses=[{"id": "a\0", "text": "x"}]),
    line(1, responses=[{"id": "a", "text": "\ud800"}]),
    line(1, ranking=[["a"]]),
    line(1, ranking=[["a", "z"], ["b", "c", "d"]]),
    line(1, ranking=[["a", "a"], ["b", "c", "d"]]),
    line(1, ranking=[[[]]]),
    line(1, ranking=[["a"], ["b", "c", "d"]], unranked="x"),
    *(line(1, ranking=ranking) for ranking in (7, [7, 8, 9], [5, 6, 7, 8, 9], {})),
    *(line(1, labeller=name) for name in (7.5, [], "n" * 999, "a\0")),
    *(archived(version=version) for version in (0, "x")),
    archived(current="x"),
    archived(current=False, version=None),
    archived(origin="elsewhere"),
    archived(origin="repeated"),
    archived(control="other"),
    archived(control="repeat"),
    archived(created_at="yesterday"),
    archived(seconds=-1),
    archived(note=7),
    archived(note="a\0"),
    *(archived(shown=shown) for shown in (7, ["a"])),
    *(archived(ratings=ratings) for ratings in (7, {"z": {}}, {"a": 7}, {"a": {"flags": 7}})),
    archived(ratings={"a": {"flags": ["x\0"]}}),
    archived(ratings={"a": {"score": 99}}),
    *(waiting(wanted=-1), waiting(priority="x"), waiting(taken_out=7), waiting(tasks=7)),
    *(waiting(comments=[{}]), waiting(comments=[{"by": 7}]), waiting(tasks=[{}])),
    *(waiting(tasks=[{"labeller": 7}]), waiting(tasks=[TASK, TASK])),
    waiting(tasks=[TASK | {"shown": ["z"]}]),
    waiting(tasks=[TASK | {"shown": ["a"]}]),
    waiting(tasks=[TASK | {"skipped_at": TASK["created_at"]}]),
    waiting(wanted=0, tasks=[TASK | {"submitted_at": TASK["created_at"]}]),
    pair(7, "x", prompt="Why?"),
    pair("x", "y"),
    pair("x", "y", subject="What?"),
    pair([MESSAGE], [], prompt="Why?"),
    pair(turns("Why?", "a", "b", "c"), turns("Why?", "d", "e", "f")),
    pair(turns("Why?", "a", "b"), turns("Why?", "c", "d")),
    pair("x", "y", prompt=7),
    pair("x", "y", prompt={"a": 1}),
    pair("x", "y", prompt=[[7, 8]]),
    pair("x", "y", prompt="Why?", system=7),
    pair({"a": 1}, {"b": 1}, prompt="Why?"),
    pair({"role": "user", "content": "x"}, {"role": "user", "content": "y"}, prompt="Why?"),
    {"prompt": "Why?", "response_a": "x", "response_b": "y", "winner": "model_z"},
    {"prompt": "Why?", "response_a": "x", "response_b": "y", "score_a": "many", "score_b": 1},
    {"prompt": "Why?", "response_a": "x", "response_b": "y", "winner_model_a": 1,
     "winner_model_b": 1},
    {"response_a": "x", "response_b": "y", "winner": "a"},
    {"prompt": ["a", "b"], "response_a": ["x", "y"], "response_b": ["z", "v"], "winner": "a"},
    {"prompt": "Why?", "answers": [{"score": 1}, {"text": "x"}]},
    {"prompt": "Why?", "answers": [{"text": "x", "score": "good"}, {"text": "y", "score": "bad"}]},
    {"prompt": "Why?", "answers": ["x", "y"], "scores": ["good", "bad"]},
    {"prompt": "Why?", "answers": ["x", "y"], "ranking": 7},
    {"topic": 1, "size": 2},
    {f"key {number}": 1 for number in range(20)},
    {f"key {number}": 1 for number in range(2000)},
    {"message_tree_id": "1", "prompt": {"role": "nobody", "text": "x"}},
    {"message_tree_id": "1", "prompt": {"role": "prompter", "text": "x", "replies": 7}},
    {"data": {"x": 1}, "annotations": []},
]  # fmt: skip
"""Lines of JSONL, of which each is bad."""

LONG = "prompt,response,rank,current,version\n"
BAD_TABLES: dict[str, bytes] = {
    "ranks": b"prompt,response,rank\nWhy?,x,good\nWhy?,y,bad\nWho?,x,1\nWhat?,y,2\nWho?,z,1\n",
    "cells": b'prompt,response,rank\nWhy?,x\nWhy?,y,1,2\n"Who?"x,y,1\nWho?,a,1\n',
    "open": b'prompt,response,rank\nWhy?,x,1\nWhy?,"y,2\n',
    "bytes": b"prompt,response,rank\nWhy?,\xff,1\nWhy?,y,2\n",
    "ours": LONG.encode() + b"Why?,x,1,maybe,1\nWhy?,y,2,maybe,1\nWho?,x,1,,1.5\nWho?,y,2,,1.5\n",
    "rows": LONG.encode() + b"Why?,x,1,true,1\nWhy?,y,2,false,1\n",
    "groups": b"ranking_id,prompt,response,rank\n,Why?,x,1\n1,Why?,y,2\n",
    "many": b"prompt,response,rank\n" + b"Why?,x,1\n" * 1500,
}
"""Tables with bad rows; some of their lines are good."""


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, lines(line(1)))
    return packed.getvalue()


def workbook() -> bytes:
    packed = io.BytesIO()
    openpyxl.Workbook().save(packed)
    return packed.getvalue()


UNREADABLE: dict[str, bytes] = {
    "old.xls": b"\xd0\xcf\x11\xe0 and more",
    "a.bz2": b"BZh and more",
    "a.xz": b"\xfd7zXZ and more",
    "a.zst": b"\x28\xb5\x2f\xfd and more",
    "a.7z": b"7z\xbc\xaf and more",
    "a.rar": b"Rar! and more",
    "a.db": b"SQLite format 3 and more",
    "a.arrow": b"ARROW1 and more",
    "a.npy": b"\x93NUMPY and more",
    "a.pkl": b"\x80\x04 and more",
    "a.pdf": b"%PDF and more",
    "a.html": b"<!doctype html><p>Why?",
    "a.xml": b"<?xml version='1.0'?>",
    "binary.jsonl": b"ab\0cd" * 9,
    "arabic.csv": "prompt,response,rank\nЗачем?,да да да,1\n".encode("cp1251"),
    "packed.jsonl.gz": gzip.compress(gzip.compress(lines(line(1)))),
    "cut.jsonl.gz": gzip.compress(lines(*map(line, range(99))))[:-30],
    "two.zip": zipped("a.jsonl", "b.jsonl"),
    "none.zip": zipped(),
    "cut.zip": zipped("a.jsonl")[:-30],
    "document.zip": zipped("[Content_Types].xml", "word/document.xml"),
    "empty.xlsx": workbook(),
    "cut.parquet": b"PAR1" + b"x" * 100,
    "bomb.jsonl.gz": gzip.compress(b" " * 2**20 + lines(line(1))),
    "empty.jsonl": b"\n",
    "array.json": b'[{"prompt": "Why?"} {',
    "list.json": b'[{"prompt": "Why?", "responses": [}]',
    "wide.csv": b",".join(b"a%d" % number for number in range(2000)) + b"\n",
    "one.csv": b"text\nWhy?\n",
    "unknown.csv": b"first;second;third\n1;2;3\n",
    "columns.csv": b",".join(b"c%d" % number for number in range(20)) + b"\n",
    "scores.csv": b"prompt,response,rank\n",
    "header.csv": b'"prompt"x,response\n',
    "oasst.jsonl": lines({"message_tree_id": "1", "prompt": {"role": "prompter", "text": "x"}}),
    "argilla.jsonl": lines({"fields": {"instruction": "Why?"}, "responses": {}}),
    "ambiguous.csv": b"prompt,response_a,response_b,label\nWhy?,x,y,0\nHow?,x,y,1\n",
    "order.jsonl": lines({"prompt": "Why?", "answers": ["x", "y", "z"], "ranking": [2, 3, 1]}),
    "label_studio.json": json.dumps([{"data": {"items": []}, "annotations": []}]).encode(),
}
"""Files that are refused before a line is read, or that hold no line."""
