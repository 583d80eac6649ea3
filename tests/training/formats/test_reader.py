"""Files as people have them: what is read as what, whatever the names and the order."""

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from training.formats.lines import AmbiguousError
from training.formats.opening import EncodingError, Limits
from training.formats.ranking_file import (
    BadLine,
    Line,
    RankingFile,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)
from training.formats.reading import sentences
from training.formats.sides import TOP_FEW
from training.rankings import UNRANKED

Read = Callable[..., list[Line | BadLine]]
LONG_ENOUGH = "Boil it for two minutes, then wait."


class Files:
    """Writes files, reads them, and keeps how the last one was read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: RankingFile

    def write(self, content: str | bytes, name: str = "file.jsonl") -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def read(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> list[Line]:
        """Return the lines of a file without bad ones."""
        with open_ranking_file(self.write(content, name), ReadOptions(**options)) as file:
            self.file = file
            lines = list(file)
        assert not [str(line) for line in lines if isinstance(line, BadLine)]
        return lines  # type: ignore[return-value]

    def one(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> Line:
        (line,) = self.read(content, name, **options)
        return line

    def bad(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> str:
        """Return the reason of the only line, which is bad."""
        with open_ranking_file(self.write(content, name), ReadOptions(**options)) as file:
            (line,) = file
        assert isinstance(line, BadLine)
        return line.reason

    def refused(self, content: str | bytes, name: str = "file.jsonl", **options: Any) -> str:
        with pytest.raises(RankingFileError) as error:
            self.read(content, name, **options)
        return str(error.value)

    @property
    def said(self) -> list[tuple[str, str]]:
        return list(sentences(self.file.reading.as_dict()))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def record(**keys: Any) -> str:
    return json.dumps(keys)


def order(line: Line) -> list[list[str]]:
    """Return the texts of a line's ranking, as groups of ties, best first."""
    texts = {response.id: response.text for response in line.responses}
    assert line.ranking is not None
    return [[texts[id_] for id_ in group] for group in line.ranking]


def asked(line: Line) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in line.messages]


# Pairs


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("chosen", "rejected"),
        ("response_chosen", "response_rejected"),
        ("chosen_response", "rejected_response"),
        ("preferred_output", "non_preferred_output"),
        ("preferred", "dispreferred"),
        ("Accepted", "Rejected"),
        ("response_j", "response_k"),
        ("y_w", "y_l"),
    ],
)
@pytest.mark.parametrize("prompt", ["prompt", "question", "instruction", "query", "Input"])
def test_pairs_are_found_under_any_of_their_names(
    files: Files, better: str, worse: str, prompt: str
) -> None:
    row = {worse: "Sure! No.", prompt: "Why?", better: "Sure! Yes."}
    for content, name in (
        (record(**row), "pairs.jsonl"),
        (",".join(row) + "\n" + ",".join(row.values()), "pairs.csv"),
    ):
        line = files.one(content, name)
        assert asked(line) == [("user", "Why?")]
        assert order(line) == [["Sure! Yes."], ["Sure! No."]]


def test_a_shared_beginning_is_no_prompt_where_another_text_stands_beside_it(files: Files) -> None:
    reason = files.bad(record(riddle="What is it?", chosen="It is a map.", rejected="It is a hat."))
    assert reason == "has no key that is known as the prompt; not read: 'riddle'"
    line = files.one(record(chosen="It is a map.", rejected="It is a hat.", model="m"))
    assert asked(line) == [("user", "It is a")]
    assert (
        "note",
        "prompts taken from the words with which both responses begin (1)",
    ) in files.said


def test_an_instruction_goes_with_its_input_and_a_question_with_its_context(files: Files) -> None:
    line = files.one(record(instruction="Add.", input="1 2", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Add.\n\n1 2")]
    line = files.one(record(context="Ann is 3.", question="How old?", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Ann is 3.\n\nHow old?")]
    line = files.one(record(instruction="Go.", input="", chosen="3", rejected="4"))
    assert asked(line) == [("user", "Go.")]


def test_a_system_message_and_a_history_come_before_the_prompt(files: Files) -> None:
    line = files.one(
        record(
            system="Be brief.", history=[["Hi.", "Hello."]], prompt="Why?", chosen="a", rejected="b"
        )
    )
    assert asked(line) == [
        ("system", "Be brief."),
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "Why?"),
    ]


def test_a_transcript_is_split_into_messages(files: Files) -> None:
    said = "\n\nHuman: Why?\n\nAssistant: Say more.\n\nHuman: It broke.\n\nAssistant:"
    line = files.one(record(prompt=said, chosen=" a", rejected=" b"))
    assert asked(line) == [("user", "Why?"), ("assistant", "Say more."), ("user", "It broke.")]
    assert ("note", "transcripts were split into messages (1)") in files.said


def test_a_prompt_that_only_mentions_a_speaker_stays_a_text(files: Files) -> None:
    for text in (
        "Human: who are you?",
        "Write as Human: and Assistant: in one line.",
        "A: 1\nB: 2",
    ):
        assert asked(files.one(record(prompt=text, chosen="a", rejected="b"))) == [("user", text)]


def test_messages_have_roles_that_templates_know(files: Files) -> None:
    before = [{"from": "system", "value": "s"}, {"from": "human", "value": "Why?"}]
    line = files.one(
        record(
            chosen=[*before, {"from": "gpt", "value": "a"}],
            rejected=[*before, {"from": "gpt", "value": "b"}],
        )
    )
    assert asked(line) == [("system", "s"), ("user", "Why?")]
    assert order(line) == [["a"], ["b"]]


def test_tool_calls_and_content_parts_are_kept(files: Files) -> None:
    call = {"type": "function", "function": {"name": "find", "arguments": '{"to": "island"}'}}
    prompt = [
        {"role": "user", "content": [{"type": "text", "text": "When?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "find", "content": "09:10"},
    ]
    says = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    line = files.one(record(prompt=prompt, chosen=says, rejected="No."))
    assert asked(line)[0] == ("user", "When?")
    written = '<tool_call>\n{"name": "find", "arguments": {"to": "island"}}\n</tool_call>'
    assert asked(line)[1:] == [("assistant", written), ("tool", "09:10")]
    assert line.responses[0].text == written
    assert ("note", "names of tools in their answers, left out (1)") in files.said


def test_a_json_text_in_a_prompt_or_a_response_stays_as_it_is(files: Files) -> None:
    texts = ('["a", "b"]', '{"a": 1}')
    line = files.one(record(prompt=texts[0], chosen=texts[1], rejected=texts[0]))
    assert asked(line) == [("user", texts[0])]
    assert order(line) == [[texts[1]], [texts[0]]]


def test_several_chosen_are_above_several_rejected(files: Files) -> None:
    line = files.one(record(prompt="Why?", chosen=["a"], rejected=["b", "c", "d"]))
    assert order(line) == [["a"], ["b", "c", "d"]]


# Side by side


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["a", "b", "tie"], "abt"),
        (["model_a", "model_b", "tie (bothbad)"], "abt"),
        (["Response A", "[[B]]", "A=B"], "abt"),
        (["A is better", "B much better", "equal"], "abt"),
        (["left", "right", "both_good"], "abt"),
        (["A>>B", "B>A", "draw"], "abt"),
        (["gpt", "llama", "Tie"], "abt"),
        (["response_a", "response_b", "same"], "abt"),
        (["x", "y", "same"], "abt"),
    ],
)
def test_verdicts_are_understood(files: Files, verdicts: list[str], expected: str) -> None:
    rows = [f"Why {i}?,x,y,gpt,llama,{v}" for i, v in enumerate(verdicts)]
    header = "prompt,response_a,response_b,model_a,model_b,winner"
    lines = files.read("\n".join([header, *rows]), "arena.csv")
    meant = {"a": [["x"], ["y"]], "b": [["y"], ["x"]], "t": [["x", "y"]]}
    assert [order(line) for line in lines] == [meant[letter] for letter in expected]
    assert [response.source for response in lines[0].responses] == ["gpt", "llama"]


def test_both_bad_is_a_tie_that_is_marked(files: Files) -> None:
    line = files.one("prompt,response_a,response_b,winner\nWhy?,x,y,tie (bothbad)\n", "arena.csv")
    assert line.details is not None
    assert line.details.all_bad


def test_a_strength_says_which_way_it_was_read(files: Files) -> None:
    lines = files.read("prompt,response_1,response_2,preference\nA?,x,y,-2\nB?,x,y,3\nC?,x,y,0\n",
                       "strength.csv")  # fmt: skip
    assert [order(line) for line in lines] == [[["x"], ["y"]], [["y"], ["x"]], [["x", "y"]]]
    assert (
        "note",
        "preference: negative for response_1, positive for response_2 (3)",
    ) in files.said


@pytest.mark.parametrize(
    ("names", "values", "first"),
    [("12", "12", "1"), ("01", "01", "0"), ("ab", "12", "1")],
)
def test_numbers_that_can_mean_one_thing_only_are_read(
    files: Files, names: str, values: str, first: str
) -> None:
    header = f"prompt,response_{names[0]},response_{names[1]},label"
    rows = [f"Why {value}?,x,y,{value}" for value in values]
    for line in files.read("\n".join([header, *rows]), "labels.csv"):
        is_first = line.messages[0]["content"] == f"Why {first}?"
        assert order(line) == ([["x"], ["y"]] if is_first else [["y"], ["x"]])


@pytest.mark.parametrize(("names", "values"), [("ab", "01"), ("12", "01"), ("ab", "012")])
def test_numbers_that_can_mean_two_things_are_asked_about(
    files: Files, names: str, values: str
) -> None:
    header = f"prompt,response_{names[0]},response_{names[1]},label"
    content = "\n".join([header, *(f"Why {value}?,x,y,{value}" for value in values)])
    with pytest.raises(AmbiguousError) as error:
        files.read(content, "labels.csv")
    assert list(error.value.values) == list(values)
    assert "--verdict 0=" in str(error.value)
    told = {"0": names[0], "1": f"response_{names[1]}", "2": "tie"}
    lines = files.read(content, "labels.csv", verdicts=told)
    meant = [[["x"], ["y"]], [["y"], ["x"]], [["x", "y"]]]
    assert [order(line) for line in lines] == meant[: len(values)]


def test_columns_of_winners_scores_and_ranks_are_understood(files: Files) -> None:
    header = (
        "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie"
    )
    cells = '7,m,n,"[""Why?""]","[""x""]","[""y""]",0,1,0'
    line = files.one(f"{header}\n{cells}\n", "battles.csv")
    assert (asked(line), order(line)) == ([("user", "Why?")], [["y"], ["x"]])
    assert (line.external_id, line.is_row_id) == ("7", True)
    scored = record(
        question={"full_text": "Why?"}, answer_0="x", score_0=-1, answer_1="y", score_1=1
    )
    assert order(files.one(scored)) == [["y"], ["x"]]
    ranked = "Question,Answer 1,Answer 2,Rank 1,Rank 2\nWhy?,x,y,2,1\n"
    assert order(files.one(ranked, "ranks.csv")) == [["y"], ["x"]]


def test_conversations_of_two_models_share_their_prompt(files: Files) -> None:
    asks = {"role": "user", "content": "Why?"}
    sides = {f"conversation_{n}": [asks, {"role": "assistant", "content": n}] for n in "ab"}
    line = files.one(record(question_id="q", judge="p-7", winner="model_b", **sides))
    assert (asked(line), order(line), line.labeller) == ([("user", "Why?")], [["b"], ["a"]], "p-7")


def test_the_labels_of_shp_say_that_the_first_is_better(files: Files) -> None:
    lines = [record(post_id=f"p{n}", history=f"Why {n}?", human_ref_A="x", human_ref_B="y",
                    labels=n) for n in (0, 1)]  # fmt: skip
    first, second = files.read("\n".join(lines))
    assert (order(first), order(second)) == ([["y"], ["x"]], [["x"], ["y"]])


# Lists


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"ranks": [2, 3, 3, 1]}, [["d"], ["a"], ["b", "c"]]),
        ({"ranks": [1, 2, 2, 0]}, [["d"], ["a"], ["b", "c"]]),
        ({"ranks": [2.0, 3.5, 3.5, 1.0]}, [["d"], ["a"], ["b", "c"]]),
        ({"ranks": ["2nd", "3rd", "third", "1st"]}, [["d"], ["a"], ["b", "c"]]),
        ({"scores": [7, 5, 5, 9.5]}, [["d"], ["a"], ["b", "c"]]),
        ({"ratings": ["7", "5", "5", "9.5"]}, [["d"], ["a"], ["b", "c"]]),
        ({"ranking": [["3"], ["0"], ["1", "2"]]}, [["d"], ["a"], ["b", "c"]]),
        ({"ranking": "d > a > b = c"}, [["d"], ["a"], ["b", "c"]]),
    ],
)
def test_plain_texts_are_ranked_by_what_stands_beside_them(
    files: Files, keys: Any, expected: Any
) -> None:
    line = files.one(record(prompt="Why?", responses=list("abcd"), models=list("wxyz"), **keys))
    assert order(line) == expected
    assert [response.source for response in line.responses] == list("wxyz")


def test_a_flat_ranking_is_an_order_of_ids(files: Files) -> None:
    responses = [{"id": id_, "text": f"text {id_}"} for id_ in "abc"]
    line = files.one(record(prompt="Why?", responses=responses, ranking=["b", "c", "a"]))
    assert line.ranking == [["b"], ["c"], ["a"]]


def test_a_list_of_numbers_may_be_ranks_or_an_order_and_is_asked_about(files: Files) -> None:
    content = record(prompt="Why?", responses=list("abc"), ranking=[2, 0, 1])
    assert "--ranking-is ranks or --ranking-is order" in files.refused(content)
    assert order(files.one(content, ranking_is="ranks")) == [["b"], ["c"], ["a"]]
    assert order(files.one(content, ranking_is="order")) == [["c"], ["a"], ["b"]]
    same = record(prompt="Why?", responses=list("abc"), ranking=[1, 0, 2])
    assert order(files.one(same)) == [["b"], ["a"], ["c"]]


def test_answers_hold_their_own_rank_or_score(files: Files) -> None:
    answers = [{"answer": text, "model": f"m-{text}", "rank": rank} for text, rank in
               (("a", 2.0), ("b", 1.0), ("c", None))]  # fmt: skip
    line = files.one(record(prompt="Why?", answers=answers, source=["own"], turns=1))
    assert order(line) == [["b"], ["a"], ["c"]]
    assert ("not read", "source (1)") in files.said
    completions = [{"response": text, "overall_score": score, "annotations": {"x": 1}}
                   for text, score in (("a", 3), ("b", 9), ("c", 7.5))]  # fmt: skip
    line = files.one(record(source="own", instruction="Why?", completions=completions))
    assert order(line) == [["b"], ["c"], ["a"]]
    assert ("not read", "completions[].annotations (3)") in files.said
    assert order(files.one(record(instruction="Why?", completions=completions),
                           higher_is_better=False)) == [["a"], ["c"], ["b"]]  # fmt: skip


def test_the_best_of_several_is_above_the_others_in_no_order(files: Files) -> None:
    summaries = [{"text": text, "policy": "sup"} for text in "abc"]
    line = files.one(record(info={"post": "Long."}, summaries=summaries, choice=1, worker="w"))
    assert (order(line), line.unranked, line.labeller) == ([["b"]], ["0", "2"], "w")


# Tools


def test_label_studio_rankings_and_pairs_are_read(files: Files) -> None:
    items = [{"id": id_, "title": f"m {id_}", "body": f"text {id_}"} for id_ in ("x", "y", "z")]
    by = {"completed_by": {"id": 5, "email": "w@example.org"}, "lead_time": 33.5}
    ranker = {"type": "ranker", "value": {"ranker": {"rank": ["z", "x"], "_": ["y"]}}}
    task = {"id": 1, "data": {"prompt": "Why?", "items": items},
            "annotations": [{**by, "result": [ranker]},
                            {**by, "was_cancelled": True, "result": []}]}  # fmt: skip
    line = files.one(json.dumps([task]), "export.json")
    assert (line.ranking, line.labeller) == ([["z"], ["x"], ["y"]], "w@example.org")
    assert line.responses[0].source == "m x"
    assert line.details is not None
    assert line.details.seconds == 33.5
    pair = {"id": 2, "data": {"prompt": "Why?", "answer1": "a", "answer2": "b"},
            "annotations": [{"completed_by": 1,
                             "result": [{"value": {"selected": "right"}}]}]}  # fmt: skip
    assert order(files.one(json.dumps([pair]), "pairs.json")) == [["b"], ["a"]]


def test_argilla_rankings_are_read(files: Files) -> None:
    ranks = [{"value": "response-2", "rank": 1}, {"value": "response-1", "rank": 2}]
    data = {"id": "r", "fields": {"prompt": "Why?", "response-1": "a", "response-2": "b"},
            "responses": {"preference": [{"value": ranks, "user_id": "u-1"}]}}  # fmt: skip
    line = files.one(json.dumps(data))
    assert (order(line), line.labeller, line.external_id) == ([["b"], ["a"]], "u-1", "r")


def test_open_assistant_messages_may_stand_one_by_one(files: Files) -> None:
    def message(id_: str, parent: str | None, role: str, rank: float | None) -> str:
        return record(message_id=id_, parent_id=parent, role=role, text=f"text {id_}", rank=rank,
                      message_tree_id="p", deleted=False)  # fmt: skip

    content = [message("p", None, "prompter", None), message("a", "p", "assistant", 1.0),
               message("b", "p", "assistant", 0.0)]  # fmt: skip
    line = files.one("\n".join(content))
    assert (asked(line), line.ranking) == ([("user", "text p")], [["b"], ["a"]])


def test_trees_that_give_nothing_are_counted(files: Files) -> None:
    tree = {"message_tree_id": "t", "prompt": {"role": "prompter", "text": "Why?", "replies": []}}
    assert files.read(json.dumps(tree)) == []
    assert files.said[-1] == (
        "gave nothing",
        "1 record: no message has two ranked replies, or four replies to label",
    )


# Tables


def test_columns_are_found_by_name_and_never_by_place(files: Files) -> None:
    line = files.one(",worst,id,prompt,best\n0,b,q1,Why?,a\n", "best.csv")
    assert (order(line), asked(line), line.external_id) == (
        [["a"], ["b"]],
        [("user", "Why?")],
        "q1",
    )
    assert ("not read", "column without a name (1)") in files.said


@pytest.mark.parametrize(
    "content",
    [
        "Why?,A.,B.,C.\nHow?,D.,E.,F.\n",  # no header
        "prompt;a;b;c;;\nWhy?;Because.;So.;Who?;;\n;;;;;\n",
        "prompt,best,sth,worst\nWhy?,a,b,c\n",
    ],
)
def test_a_table_whose_order_is_not_certain_is_refused_and_can_be_told(
    files: Files, content: str
) -> None:
    assert "--format csv" in files.refused(content, "table.csv")
    header = content.startswith("prompt")
    lines = files.read(content, "table.csv", format="csv", header=header)
    assert [len(group) for line in lines for group in order(line)] == [1] * 3 * len(lines)
    assert len(lines) == (1 if header else 2)


def test_scores_are_higher_is_better_and_ranks_lower(files: Files) -> None:
    rows = "prompt,response,annotator,{}\nWhy?,a,ann,1\nWhy?,b,ann,5\nWhy?,c,ann,5\n"
    assert order(files.one(rows.format("score"), "s.csv")) == [["b", "c"], ["a"]]
    assert ("score", "score; the highest is the best") in files.said
    assert order(files.one(rows.format("rank"), "r.csv")) == [["a"], ["b", "c"]]
    turned = files.refused(rows.format("score"), "s.csv", columns={"rank": "score"})
    assert "--column score=score" in turned
    lower = files.one(rows.format("score"), "s.csv", higher_is_better=False)
    assert order(lower) == [["a"], ["b", "c"]]
    assert ("score", "score; the lowest is the best") in files.said


def test_ratings_in_words_and_numbers_of_categories_are_not_scores(files: Files) -> None:
    for column, cells in (("rating", ("good", "bad")), ("label", ("3", "7"))):
        line = files.one(
            f"prompt,response,{column}\nWhy?,a,{cells[0]}\nWhy?,b,{cells[1]}\n", "t.csv"
        )
        assert line.ranking is None
        assert ("not read", f"{column} (2)") in files.said


def test_the_top_few_are_above_the_others(files: Files) -> None:
    line = files.one("prompt,response,rank\nWhy?,a,2\nWhy?,b,\nWhy?,c,1st\nWhy?,d,\n", "top.csv")
    assert (order(line), line.unranked) == ([["c"], ["a"]], ["1", "3"])
    assert line.ranks == {"2": 1, "0": 2, "1": UNRANKED, "3": UNRANKED}
    heading, note = files.said[-1]
    assert (heading, note) == ("note", f"{TOP_FEW} (1)")


def test_a_single_response_without_a_rank_is_the_last_one(files: Files) -> None:
    line = files.one("prompt,response,rank\nWhy?,a,2\nWhy?,b,\nWhy?,c,1st\n", "top.csv")
    assert (order(line), line.unranked) == ([["c"], ["a"], ["b"]], [])


def test_an_object_may_name_its_unranked_responses(files: Files) -> None:
    responses = [{"id": id_, "text": f"text {id_}"} for id_ in "abcd"]
    own = {"prompt": "Why?", "responses": responses, "ranking": [["a"], ["b"]]}
    line = files.one(json.dumps(own | {"unranked": ["c", "d"]}))
    assert (line.ranking, line.unranked) == ([["a"], ["b"]], ["c", "d"])
    assert "has no rank for the response 'c'" in files.bad(json.dumps(own | {"unranked": []}))
    for unranked in ("c", [["c", "d"]], ["a", "c", "d"], ["c", "x"]):
        assert files.bad(json.dumps(own | {"unranked": unranked}))
    nothing = own | {"ranking": [], "unranked": ["a", "b", "c", "d"]}
    assert "beside a ranking of others" in files.bad(json.dumps(nothing))


def test_rows_may_come_as_json_lines(files: Files) -> None:
    rows = [record(prompt="Why?", response=text, helpfulness=score, verbosity=1)
            for text, score in (("a", 3), ("b", 4))]  # fmt: skip
    assert order(files.one("\n".join(rows))) == [["b"], ["a"]]
    assert ("not read", "verbosity (2)") in files.said


def test_a_column_of_models_may_be_called_system(files: Files) -> None:
    rows = "prompt,response,system,rank\nWhy?,a,m1,1\nWhy?,b,m2,2\n"
    line = files.one(rows, "mt.csv")
    assert [response.source for response in line.responses] == ["m1", "m2"]
    assert asked(line) == [("user", "Why?")]


# Files


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


# Any project in any shape: what is read is the project, or the file is refused.

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
