"""Any project in any shape is read as itself, or the file is refused."""

import csv
import io
import json
import os
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.training.formats.reading import Files, order
from training.formats.ranking_file import (
    Line,
    RankingFileError,
)

words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() == text)
Project = list[tuple[str, list[tuple[str, int]], str]]
projects = st.lists(
    st.tuples(
        words,
        st.lists(st.tuples(words, st.integers(1, 3)), min_size=2, max_size=5,
                 unique_by=lambda pair: pair[0]),
        st.sampled_from(["ann", "bob", "Żaneta"]),
    ),
    min_size=1, max_size=4, unique_by=lambda item: item[0],
)  # fmt: skip


def truth(project: Project) -> list[Any]:
    """Return the prompts, rankings and labellers of a project in a form to be compared."""
    return [
        (prompt, [sorted(t for t, r in answers if r == rank) for rank in
                  sorted({rank for _, rank in answers})], who)
        for prompt, answers, who in project
    ]  # fmt: skip


def found(lines: list[Line]) -> list[Any]:
    return [
        (line.messages[-1]["content"], [sorted(group) for group in order(line)], line.labeller)
        for line in lines
    ]


def as_rows(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return a project as rows in long form, by names that people use."""
    prompt = draw(st.sampled_from(["prompt", "question", "Instruction", "query"]))
    response = draw(st.sampled_from(["response", "completion", "Answer", "output"]))
    who = draw(st.sampled_from(["annotator", "labeler", "rater_id", "Worker"]))
    how = draw(st.sampled_from(["rank", "Human Rank", "score", "rating", "ordinal"]))
    ends = ["0th", "1st", "2nd", "3rd"]
    rows = []
    for number, (asks, answers, labeller) in enumerate(project):
        for text, rank in answers:
            value = {"score": 10 - rank, "rating": 5 - rank, "ordinal": ends[rank]}.get(how, rank)
            rows.append({"group_id": number, prompt: asks, response: text, who: labeller,
                         "rank" if how == "ordinal" else how: value})  # fmt: skip
    order = draw(st.permutations(list(rows[0])))
    return [{key: row[key] for key in order} for row in rows]


def as_lists(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return a project as records with lists of responses, by names that people use."""
    prompt = draw(st.sampled_from(["prompt", "question", "instruction"]))
    key = draw(st.sampled_from(["responses", "answers", "completions", "candidates"]))
    inner = draw(st.sampled_from(["text", "answer", "response", "content"]))
    how = draw(st.sampled_from(["rank", "score", "ranks", "scores", "order"]))
    records = []
    for asks, answers, labeller in project:
        data: dict[str, Any] = {prompt: asks, "annotator": labeller}
        if how in ("rank", "score"):
            data[key] = [
                {inner: text, how: rank if how == "rank" else -rank} for text, rank in answers
            ]
        elif how == "order":
            data[key] = [{"id": f"r{i}", inner: text} for i, (text, _) in enumerate(answers)]
            ids = {text: f"r{i}" for i, (text, _) in enumerate(answers)}
            data["ranking"] = [[ids[t] for t, r in answers if r == rank]
                               for rank in sorted({r for _, r in answers})]  # fmt: skip
        else:
            data[key] = [text for text, _ in answers]
            data[how] = [rank if how == "ranks" else 9 - rank for _, rank in answers]
        records.append(data)
    return records


def as_pairs(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return the first strict pair of each ranking as records, by names that people use."""
    better, worse = draw(
        st.sampled_from([("chosen", "rejected"), ("preferred_output", "non_preferred_output"),
                         ("response_chosen", "response_rejected")])
    )  # fmt: skip
    prompt = draw(st.sampled_from(["prompt", "question", "instruction", "messages"]))
    records = []
    for asks, answers, labeller in project:
        (good, _), (bad, _) = answers
        said: Any = [{"role": "user", "content": asks}] if prompt == "messages" else asks
        records.append({worse: bad, "rater": labeller, prompt: said, better: good})
    return records


def as_sides(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return the first two responses of each ranking side by side, with a verdict."""
    stem = draw(st.sampled_from(["response", "answer", "Completion", "output"]))
    first, second = draw(st.sampled_from([("a", "b"), ("A", "B"), ("1", "2"), ("0", "1")]))
    how = draw(st.sampled_from(["winner", "preference", "score", "rank", "columns", "strength"]))
    prompt = draw(st.sampled_from(["prompt", "question", "instruction"]))
    records = []
    for asks, answers, labeller in project:
        (x, good), (y, bad) = answers[:2]
        names = [f"{stem}_{first}", f"{stem}_{second}"]
        data = {"worker_id": labeller, names[1]: y, prompt: asks, names[0]: x}
        best = 2 if good == bad else 0 if good < bad else 1
        if how in ("winner", "preference"):
            data[how] = [names[0], f"{stem} {second}", "tie"][best]
        elif how == "columns":
            data |= {
                f"winner_model_{name}": int(best == i) for i, name in enumerate((first, second))
            }
            data["winner_tie"] = int(best == 2)
        elif how == "strength":
            data["overall_preference"] = [-3, 3, 0][best]
        else:
            turned = (-good, -bad) if how == "score" else (good, bad)
            data |= {f"{how}_{first}": turned[0], f"{how}_{second}": turned[1]}
        records.append(data)
    order = draw(st.permutations(list(records[0])))
    return [{key: data[key] for key in order} for data in records]


def as_columns(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return strict rankings of three as columns whose names say the order."""
    names = draw(
        st.sampled_from([("best", "middle", "worst"), ("1st", "2nd", "3rd"),
                         ("Most preferable response", "Somewhat preferable response",
                          "Least preferable response"), ("rank_1", "rank_2", "rank_3")])
    )  # fmt: skip
    records = [
        {
            "prompt": asks,
            "annotator": who,
            **{n: t for n, (t, _) in zip(names, answers, strict=True)},
        }
        for asks, answers, who in project
    ]
    order = draw(st.permutations(list(records[0])))
    return [{key: data[key] for key in order} for data in records]


def as_tasks(project: Project, draw: Any) -> list[dict[str, Any]]:
    """Return strict rankings as tasks of Label Studio."""
    return [
        {
            "id": number,
            "data": {"prompt": asks, "items": [{"id": f"i{n}", "body": text}
                                               for n, (text, _) in enumerate(answers)]},
            "annotations": [{"completed_by": {"email": who}, "result": [
                {"type": "ranker",
                 "value": {"ranker": {"rank": [f"i{n}" for n in range(len(answers))]}}}]}],
        }
        for number, (asks, answers, who) in enumerate(project)
    ]  # fmt: skip


NOISE = ("topic", "lang", "split", "difficulty", "domain", "turns", "batch", "is_test")


def with_noise(rows: list[dict[str, Any]], draw: Any) -> list[dict[str, Any]]:
    """Return the rows with keys that mean nothing, before, between or after the others."""
    noise = draw(st.lists(st.sampled_from(NOISE), max_size=3, unique=True))
    front = draw(st.booleans())
    more = {key: draw(st.one_of(st.integers(0, 5), words)) for key in noise}
    return [{**more, **row} if front else {**row, **more} for row in rows]


def written(rows: list[dict[str, Any]], draw: Any) -> tuple[bytes, str]:
    """Return rows as a file of some kind, and its name."""
    nested = any(isinstance(value, list | dict) for row in rows for value in row.values())
    kind = draw(st.sampled_from(["jsonl", "json"] if nested else ["jsonl", "json", "csv", "csv"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    if kind == "csv":
        buffer = io.StringIO()
        sign = draw(st.sampled_from(",;\t|"))
        end = draw(st.sampled_from(["\n", "\r\n"]))
        keys = list(rows[0])
        writer = csv.writer(buffer, delimiter=sign, lineterminator=end)
        index = draw(st.booleans())
        writer.writerow([*([""] if index else []), *keys])
        for number, row in enumerate(rows):
            writer.writerow([*([number] if index else []), *(row[key] for key in keys)])
        return buffer.getvalue().encode(encoding), f"file.{'tsv' if sign == chr(9) else 'csv'}"
    if kind == "json":
        indent = draw(st.sampled_from([None, 2]))
        return json.dumps(rows, indent=indent, ensure_ascii=False).encode(encoding), "file.json"
    lines = (json.dumps(row, ensure_ascii=draw(st.booleans())) for row in rows)
    return "\n".join(lines).encode(encoding), "file.jsonl"


@settings(max_examples=int(os.environ.get("READER_EXAMPLES", "300")))
@given(data=st.data(), project=projects)
def test_any_project_in_any_shape_is_read_as_itself_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, project: Project
) -> None:
    shape = data.draw(
        st.sampled_from([as_rows, as_lists, as_pairs, as_sides, as_columns, as_tasks])
    )
    strict = {as_pairs: 2, as_columns: 3}.get(shape)
    if shape is as_sides:
        project = [(p, a[:2], who) for p, a, who in project]
    elif strict or shape is as_tasks:
        project = [(p, [(t, i) for i, (t, _) in enumerate(a[:strict], 1)], who)
                   for p, a, who in project if strict is None or len(a) >= strict]  # fmt: skip
    if not project:
        return
    content, name = written(with_noise(shape(project, data.draw), data.draw), data.draw)
    files = Files(tmp_path_factory.mktemp("any"))
    try:
        lines = files.read(content, name)
    except RankingFileError as error:
        event(f"refused: {str(error)[:60]}")
        return
    event(f"read {shape.__name__}")
    assert found(lines) == truth(project)
