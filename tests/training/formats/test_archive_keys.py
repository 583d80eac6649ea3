"""The keys of an archive's lines beyond the ranking, and values that they cannot have."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from training.data.file import FileSource
from training.formats.archive_keys import (
    FileComment,
    FileRating,
    FileTask,
    PromptState,
    RankingDetails,
)
from training.formats.ranking_file import (
    BadLine,
    Line,
    checked,
)

FOUR = [{"id": id_, "text": f"text {id_}"} for id_ in "abcd"]
AT = "2026-03-01T13:00:00.000001+01:00"
NOON = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)


def parsed(**keys: Any) -> Line | BadLine:
    return read({"prompt": "Why?", "responses": FOUR} | keys)


def read(data: dict[str, Any], rankings: bool = True) -> Line | BadLine:
    (line,) = checked([(1, data)], rankings)
    return line


def ranked(**keys: Any) -> Line | BadLine:
    return parsed(ranking=[[id_] for id_ in "abcd"], **keys)


def task(**keys: Any) -> dict[str, Any]:
    return {"labeller": "ann", "shown": ["a", "b"], "created_at": AT} | keys


def comment(**keys: Any) -> dict[str, Any]:
    return {"by": "rita", "at": AT, "text": "Hm."} | keys


def test_all_that_is_said_of_a_ranking_is_read() -> None:
    line = ranked(
        version=2, current=False, origin="repeated", surplus=True, gold=True, control="repeat",
        created_at=AT, seconds=3, shown=list("dcba"), all_bad=True, note="Hm.",
        ratings={"a": {"score": 7, "flags": ["Wrong"]}, "b": {"score": None}},
    )  # fmt: skip
    assert isinstance(line, Line)
    assert line.details == RankingDetails(
        version=2, current=False, origin="repeated", surplus=True, gold=True, control="repeat",
        created_at=NOON, seconds=3.0, shown=("d", "c", "b", "a"), all_bad=True, note="Hm.",
        ratings={"a": FileRating(7, ("Wrong",)), "b": FileRating()},
    )  # fmt: skip


def test_all_that_is_said_of_a_prompt_is_read() -> None:
    line = parsed(
        wanted=3, priority=-2, taken_out=True, created_at=AT, comments=[comment()],
        tasks=[
            task(submitted_at=AT, seconds=2.5, taken_back=True),
            task(submitted_at=AT, control="repeat"),
            task(labeller="bob", skipped_at=AT, reason="broken", note="Empty."),
        ],
    )  # fmt: skip
    shown = ("a", "b")
    assert isinstance(line, Line)
    assert line.state == PromptState(
        wanted=3, priority=-2, taken_out=True, created_at=NOON,
        comments=(FileComment("rita", NOON, "Hm."),),
        tasks=(
            FileTask("ann", shown, NOON, seconds=2.5, submitted_at=NOON, taken_back=True),
            FileTask("ann", shown, NOON, submitted_at=NOON, control="repeat"),
            FileTask("bob", shown, NOON, skipped_at=NOON, reason="broken", note="Empty."),
        ),
    )  # fmt: skip
    assert line.state.slots == 1


def test_a_line_made_elsewhere_says_nothing_more() -> None:
    for line in (parsed(), ranked(), ranked(wanted="many", tasks=7), parsed(version="two")):
        assert isinstance(line, Line)
        assert (line.details, line.state) == (None, None)


def test_what_is_not_read_is_not_looked_at() -> None:
    data = {"prompt": "Why?", "responses": FOUR, "wanted": "many"}
    for more in ({}, {"ranking": 7, "version": "two"}):
        assert isinstance(read(data | more, rankings=False), Line)


BAD_RANKINGS: list[tuple[dict[str, Any], str]] = [
    ({"version": 0}, "has a version that is not a whole number from 1 to 10000"),
    ({"version": True}, "has a version that is not a whole number from 1 to 10000"),
    ({"version": 1, "current": "yes"}, "has a current that is neither true nor false"),
    ({"current": False}, "is not current and has no version"),
    (
        {"origin": "elsewhere"},
        "has an origin that is none of here, imported, adjudicated",
    ),
    ({"origin": "repeated"}, "is a repeated ranking that is marked as current"),
    ({"control": "repeat"}, "has the origin repeated or the control repeat, but not both"),
    ({"created_at": "2026-03-01T12:00"}, "has a created_at that is not a moment with its time"),
    ({"created_at": 1772366400}, "has a created_at that is not a moment with its time"),
    ({"created_at": "0001-01-01T00:00+09:00"}, "has a created_at that is not a moment"),
    ({"seconds": -1}, "has seconds that are not a number from 0 to 1,000,000,000"),
    ({"seconds": float("nan")}, "has seconds that are not a number from 0 to 1,000,000,000"),
    ({"seconds": 10**400}, "has seconds that are not a number from 0 to 1,000,000,000"),
    ({"shown": "dcba"}, "has a shown that is not a list of ids"),
    ({"shown": ["a", "b"]}, "has a shown that does not name each of its responses once"),
    ({"shown": list("abcc")}, "has a shown that does not name each of its responses once"),
    ({"shown": [{}, *"abc"]}, "has a shown that does not name each of its responses once"),
    ({"note": 7}, "has a note that is not a text"),
    ({"note": "\0"}, "has a NUL character in the note"),
    ({"ratings": []}, "has ratings that are not an object with an entry for an id"),
    ({"ratings": {"x": {}}}, "has a rating for 'x', which is not among its responses"),
    ({"ratings": {"a": 7}}, "has a rating for 'a' that is not an object"),
    ({"ratings": {"a": {"score": 8}}}, "has a score that is not a whole number from 1 to 7"),
    ({"ratings": {"a": {"flags": [7]}}}, "has flags for 'a' that are not a list of texts"),
]
BAD_PROMPTS: list[tuple[dict[str, Any], str]] = [
    ({"wanted": -1}, "has a wanted that is not a whole number from 0 to 32767"),
    ({"priority": 2**31}, "has a priority that is not a whole number from"),
    ({"tasks": {}}, "has tasks that are not a list of objects"),
    ({"tasks": [task(labeller=None)]}, "has a task without its labeller, what was shown, or"),
    ({"tasks": [task(created_at=None)]}, "has a task without its labeller, what was shown, or"),
    ({"tasks": [task(shown=["a", "x"])]}, "has a shown that does not name some of its responses"),
    ({"tasks": [task(shown=["a"])]}, "has 1 response shown; 2 to 9 can be"),
    ({"tasks": [task(skipped_at=AT)]}, "has a task of 'ann' that is skipped and ranked, or has no"),
    ({"tasks": [task(), task()]}, "has two tasks of 'ann'"),
    ({"tasks": [task(submitted_at=AT)]}, "wants 0 rankings and has 1 task with one; raise wanted"),
    ({"comments": [comment(text="")]}, "has a comment without by, at or text"),
    ({"comments": [comment(by="x" * 151)]}, "has a comment's author of more than 150 characters"),
]


@pytest.mark.parametrize(
    ("keys", "reason"), BAD_RANKINGS, ids=[str(bad) for bad, _ in BAD_RANKINGS]
)
def test_a_ranking_of_which_something_wrong_is_said_is_a_bad_line(
    keys: dict[str, Any], reason: str
) -> None:
    assert str(ranked(**keys)).startswith(f"line 1: {reason}")


@pytest.mark.parametrize(("keys", "reason"), BAD_PROMPTS, ids=[reason for _, reason in BAD_PROMPTS])
def test_a_prompt_of_which_something_wrong_is_said_is_a_bad_line(
    keys: dict[str, Any], reason: str
) -> None:
    assert str(parsed(**keys)).startswith(f"line 1: {reason}")


def test_training_on_an_archive_learns_from_the_versions_that_stand(tmp_path: Any) -> None:
    path = tmp_path / "archive.jsonl"
    line = {"prompt": "Why?", "responses": FOUR}
    ranking = {"ranking": [["a"], ["b"], ["c"], ["d"]], "labeller": "ann", "origin": "here"}
    versions = ({"version": 1, "current": False}, {"version": 2, "current": True})
    found = [line | {"wanted": 1}, *(line | ranking | version for version in versions)]
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    assert len(list(FileSource(path).prompts())) == 1
