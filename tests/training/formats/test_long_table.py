"""Tables in long form: a row a response of a ranking."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.formats.long_table import guess_columns
from training.formats.ranking_file import (
    BadLine,
    Limits,
    RankingFileError,
    ReadOptions,
    open_ranking_file,
)


@pytest.fixture
def read(tmp_path):
    """Reads a table: its lines as they are, or its bytes."""

    def read(*lines, name="table.csv", limits=None, **options):
        path = tmp_path / name
        path.write_bytes(b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines))
        with open_ranking_file(str(path), ReadOptions(**options), limits=limits) as file:
            return list(file)

    return read


def reasons(lines):
    return [str(line) for line in lines if isinstance(line, BadLine)]


def test_rows_of_a_prompt_and_a_labeller_are_a_ranking(read):
    first, second = read(
        "prompt,response,rank,labeller,model",
        "Why?,Paint.,2,ann,gpt",
        "Why?,Scattering.,1,ann,llama",
        "Why?,The sea.,2,ann,opt",
        "Why?,Paint.,1,bob,gpt",
        "Why?,Scattering.,2,bob,llama",
    )
    assert first.number == 2
    assert first.messages == [{"role": "user", "content": "Why?"}]
    assert [(r.text, r.source) for r in first.responses] == [
        ("Paint.", "gpt"),
        ("Scattering.", "llama"),
        ("The sea.", "opt"),
    ]
    assert first.ranking == [["1"], ["0", "2"]]
    assert first.labeller == "ann"
    assert (second.number, second.labeller, second.ranking) == (5, "bob", [["0"], ["1"]])


def test_a_key_tells_rankings_apart_that_are_alike_in_all_else(read):
    lines = read("ranking_id,prompt,response,rank", "1,Why?,a,1", "1,Why?,b,2", "2,Why?,a,2",
                 "2,Why?,c,1")  # fmt: skip
    assert [line.ranking for line in lines] == [[["0"], ["1"]], [["1"], ["0"]]]


def test_gaps_between_ranks_close(read):
    (line,) = read("prompt,response,rank", "Why?,a,7", "Why?,b,3", "Why?,c,7.0")
    assert line.ranking == [["1"], ["0", "2"]]


def test_rows_without_ranks_are_a_prompt_to_be_labelled(read):
    (line,) = read("instruction,output", "Why?,a", "Why?,b")
    assert line.ranking is None
    assert [response.text for response in line.responses] == ["a", "b"]


def test_a_conversation_is_a_json_list_of_messages(read):
    chat = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "?"}]'
    cell = '"' + chat.replace('"', '""') + '"'
    (line,) = read("messages,completion", f"{cell},a", f"{cell},b")
    assert [message["role"] for message in line.messages] == ["system", "user"]


def test_the_prompt_need_stand_only_in_the_first_row_of_a_key(read):
    (line,) = read("ranking_id,prompt,response,rank", "1,Why?,a,1", "1,,b,2")
    assert len(line.responses) == 2


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.txt", "table"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_separator_is_found(read, sign, name):
    if name == "table.tsv":
        sign = "\t"
    rows = [["Question", "Answer", "Rank"], ["Why, oh why; why?", "a", "1"], ["", "b", "2"]]
    rows[2][0] = rows[1][0]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=sign).writerows(rows)
    (line,) = read(buffer.getvalue(), name=name)
    assert line.messages[0]["content"] == "Why, oh why; why?"


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (["Instruction", "Completion", "Model"],
         {"prompt": "Instruction", "response": "Completion", "source": "Model"}),
        (["question_id", "question", "answer", "annotator", "rank"],
         {"prompt_id": "question_id", "prompt": "question", "response": "answer",
          "labeller": "annotator", "rank": "rank"}),
        (["prompt", "response", "ranking"],
         {"prompt": "prompt", "response": "response", "rank": "ranking"}),
        (["ranking", "prompt", "response", "rank"],
         {"ranking": "ranking", "prompt": "prompt", "response": "response", "rank": "rank"}),
        (["prompt", "response", "score", "note"],
         {"prompt": "prompt", "response": "response", "score": "score", "note": "note"}),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_usual_names(header, columns):
    assert guess_columns(header) == columns


def test_the_columns_and_the_separator_can_be_looked_at_before_reading(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfFrage;Antwort;Rang\nWhy?;a;1\n")
    options = ReadOptions(columns={"prompt": "Frage", "response": "Antwort"})
    with open_ranking_file(str(path), options) as file:
        assert (file.delimiter, file.columns) == (";", ["Frage", "Antwort", "Rang"])


def test_a_field_can_be_left_out_and_another_column_taken(read):
    lines = ["prompt,response,rank,annotator,rater", "Why?,a,1,ann,bob", "Why?,b,2,ann,bob"]
    assert read(*lines, columns={"labeller": "rater"})[0].labeller == "bob"
    assert read(*lines, columns={"labeller": ""})[0].labeller is None


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (
            "a,b",
            {"prompt": "a"},
            "no column that is known as the response; its columns are 'a', 'b'",
        ),
        ("a,b", {"response": "a"}, "no column that is known as the prompt"),
        ("a,a", {"prompt": "a", "response": "a"}, "has two columns called 'a'"),
        ("a,b", {"answer": "a"}, "there is no field 'answer'; the fields are ranking, prompt"),
    ],
)
def test_columns_that_make_no_ranking_are_refused(read, header, columns, message):
    with pytest.raises(RankingFileError, match=message):
        read(header, "x,y", columns=columns)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["1,Why?,a,1,ann", "1,Who?,b,2,ann"], "line 2: has rows that differ in their prompt"),
        (["1,Why?,a,1,ann", "1,Why?,b,2,bob"], "line 2: has rows that differ in their labeller"),
        (["1,Why?,a,1,ann", "1,Why?,b,x,ann"], "line 2: has a rank that is not a number: 'x'"),
        (["1,Why?,a,1,ann", "1,Why?,a,2,ann"], "line 2: has a duplicate"),
        (["1,Why?,a,1,ann", "1,Why?,,2,ann"], "line 2: has an empty response"),
        (["1,Why?,a,1,ann"], "line 2: ranks 1 response; a ranking has 2 to 9"),
        ([b"1,Why?,a,1,ann", b"1,Why?,\xff,2,ann"], "line 2: has a character in response '1'"),
    ],
)  # fmt: skip
def test_a_bad_ranking_is_named_by_its_first_line(read, rows, reason):
    header = "ranking_id,prompt,response,rank,labeller"
    lines = read(header, *rows, "2,Why?,a,1,ann", "2,Why?,b,2,ann")
    assert len(reasons(lines)) == 1
    assert reasons(lines)[0].startswith(reason)
    assert len(lines) == 2


def test_a_row_that_cannot_be_read_costs_the_rankings_that_it_might_be_of(read):
    lines = read(
        "ranking_id,prompt,response,rank",
        *("1,Why?,a,1", "1,Why?,b,2"),
        *("2,Why?,a,1", "2,Why?,b,2", "2,Why?"),
        *("3,Why?,a,1", "3,Why?,b,2"),
        *("4,Why?,a,1", "4,Why?", "4,Why?,b,2"),
        *("5,Why?,a,1", "5,Why?,b,2"),
    )
    assert [line.number for line in lines if not isinstance(line, BadLine)] == [2, 12]
    assert reasons(lines) == [
        "line 4: may lack the row of line 6, which cannot be read",
        "line 6: has 2 columns where the header has 4",
        "line 7: may lack the row of line 6, which cannot be read",
        "line 9: may lack the row of line 10, which cannot be read",
        "line 10: has 2 columns where the header has 4",
    ]


def test_a_table_whose_rankings_are_not_together_is_not_quietly_cut_up(read):
    lines = read("prompt,response,rank", "Why?,a,1", "Why?,b,2", "Who?,a,1", "Who?,b,2",
                 "Why?,c,3", "Why?,d,4")  # fmt: skip
    (reason,) = reasons(lines)
    assert reason.startswith("line 6: is of the ranking of line 2, and others stand between them")


def test_a_row_without_its_key_is_named(read):
    lines = read("ranking_id,prompt,response,rank", ",Why?,a,1", "2,Why?,a,1", "2,Why?,b,2")
    assert reasons(lines)[0] == "line 2: does not say to which ranking it belongs"


def test_a_ranking_of_a_million_rows_takes_no_memory_for_them(read):
    (line,) = read("prompt,response", *(f"Why?,text {n}" for n in range(1500)))
    assert line.reason == "has more than 1,000 rows"


def test_a_ranking_that_is_too_large_is_named_and_the_next_is_read(read, monkeypatch):
    monkeypatch.setattr("training.formats.long_rankings.MAX_LINE_BYTES", 100)
    large, good = read("prompt,response", *["Why?," + "x" * 60] * 2, "How?,a", "How?,b")
    assert large.reason == "is longer than 16 MiB"
    assert [response.text for response in good.responses] == ["a", "b"]


def test_a_row_that_never_ends_is_refused_before_it_fills_the_memory(read, monkeypatch):
    monkeypatch.setattr("training.formats.lines.MAX_LINE_BYTES", 1000)
    endless = ['"', *['","'] * 2000]  # each line ends a quoted cell and begins the next
    with pytest.raises(RankingFileError, match=r"the row that ends on line \d+ is longer than"):
        read("prompt,response", *endless)


def test_who_wants_the_first_lines_reads_no_more_than_that(read):
    rows = [f"a,Why?,text {number}" for number in range(40_000)]
    header = "group,prompt,response"
    with pytest.raises(RankingFileError, match="its first lines are too long to be shown"):
        read(header, *rows, limits=Limits(at_most=2**17))
    assert reasons(read(header, *rows)) == ["line 2: has more than 1,000 rows"]


hostile = st.text(
    st.one_of(
        st.sampled_from("=+-@'\"|;,\t\r\n ＝"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    min_size=1,
    max_size=12,
).filter(str.strip)
table = st.lists(
    st.tuples(hostile, st.lists(st.tuples(hostile, st.integers(0, 3)), min_size=2, max_size=9,
                                unique_by=lambda pair: pair[0])),
    min_size=1, max_size=4,
)  # fmt: skip


@given(table=table, sign=st.sampled_from("|;,\t"))
def test_any_text_and_any_ties_are_read_as_they_were_written(tmp_path_factory, table, sign):
    path = tmp_path_factory.mktemp("long") / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=sign)
        writer.writerow(["group", "prompt", "response", "rank"])
        for number, (prompt, responses) in enumerate(table):
            writer.writerows([number, prompt, text, rank] for text, rank in responses)
    with open_ranking_file(str(path)) as found:
        lines = list(found)
    assert reasons(lines) == []
    for (prompt, responses), line in zip(table, lines, strict=True):
        assert line.messages[0]["content"] == prompt
        assert [response.text for response in line.responses] == [text for text, _ in responses]
        ranks = {id_: place for place, group in enumerate(line.ranking) for id_ in group}
        given = [rank for _, rank in responses]
        assert [ranks[r.id] for r in line.responses] == [sorted({*given}).index(r) for r in given]
