"""Tables whose columns are found by name."""

import json

import pytest

from tests.training.formats.reading import Files, asked, order, record
from training.formats.verdicts import TOP_FEW
from training.rankings import UNRANKED


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
