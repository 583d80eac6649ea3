"""Lists of responses, and the exports of other tools."""

import json
from typing import Any

import pytest

from tests.training.formats.reading import Files, asked, order, record

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
