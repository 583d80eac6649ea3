"""Two responses side by side, with a verdict, scores or ranks."""

import pytest

from tests.training.formats.reading import Files, asked, order, record
from training.formats.lines import AmbiguousError


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
