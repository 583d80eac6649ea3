"""Imports of rankings and prompts, with good and bad lines."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.importing.batches import batches
from labelapp.models import MAX_RESPONSES, Member, Placement, Project, Prompt, Ranking, Response
from training.formats.ranking_file import MAX_RANKED, BadLine, FileResponse, Line
from training.rankings import UNRANKED

FOUR = ("a", "b", "c", "d")


def line(prompt: Any = "Why?", ids: tuple[str, ...] = FOUR, **fields: Any) -> dict[str, Any]:
    responses = [{"id": id_, "text": f"text {id_}", "source": f"model {id_}"} for id_ in ids]
    return {"prompt": prompt, "responses": responses} | fields


def ranked(*groups: list[str], **fields: Any) -> dict[str, Any]:
    ids = tuple(id_ for group in groups for id_ in group)
    return line(**({"ids": tuple(sorted(ids)), "labeller": "ann"} | fields), ranking=list(groups))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes lines to a file: objects as JSON, bytes unchanged."""

    def write(*lines: Any, name: str = "rankings.jsonl") -> str:
        raw = b"".join(
            (x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines
        )
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return str(path)

    return write


def run(command: str, path: str, *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, path, "--project", "kitchen", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(command: str, path: str, *options: str) -> tuple[str, str]:
    """Return the error and the bad lines of an import that must be refused."""
    err = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(command, path, "--project", "kitchen", *options, stderr=err)
    return str(error.value), err.getvalue()


def ranks(ranking: Ranking) -> dict[str, int]:
    return dict(ranking.placements.values_list("response__external_id", "rank"))


def test_a_ranking_with_ties_is_stored_as_one_thing(project: Project, write: Any) -> None:
    run("import_rankings", write(ranked(["b"], ["a", "d"], ["c"])))
    ranking = Ranking.objects.get()
    assert ranks(ranking) == {"b": 1, "a": 2, "d": 2, "c": 3}
    assert ranking.origin == "imported"
    assert ranking.member.name == "ann"
    assert ranking.member.user is None
    assert ranking.prompt.messages == [{"role": "user", "content": "Why?"}]
    assert ranking.placements.get(rank=1).response.source == "model b"


def test_a_source_may_be_of_any_length(project: Project, write: Any, tmp_path: Path) -> None:
    source = "https://example.org/" + "é" * 5000
    path = write(line(responses=[{"id": i, "text": i, "source": f"{source} {i}"} for i in FOUR]))
    run("import_prompts", path)
    assert Response.objects.get(external_id="b").source == f"{source} b"
    out = tmp_path / "out.jsonl"
    call_command("export_rankings", "kitchen", str(out), stdout=io.StringIO())
    assert (
        json.loads(out.read_text())["responses"] == json.loads(Path(path).read_text())["responses"]
    )


def test_a_partial_ranking_goes_through_the_database_and_back(
    project: Project, write: Any, tmp_path: Path
) -> None:
    """A table, a file of Podium's and an archive give the same ranking."""
    table = b"prompt,response,response_id,annotator,rank\n" + b"\n".join(
        f"Why?,text {id_},{id_},ann,{rank}".encode()
        for id_, rank in (("a", ""), ("b", 1), ("c", 2), ("d", ""))
    )
    out, _ = run("import_rankings", write(table, name="top.csv"))
    assert "the rest count as below them, in no order (1)" in out
    assert ranks(Ranking.objects.get()) == {"b": 1, "c": 2, "a": UNRANKED, "d": UNRANKED}

    files = {name: tmp_path / name for name in ("one.jsonl", "one.csv", "archive.jsonl")}
    for name, path in files.items():
        options = ["--all-versions"] if name == "archive.jsonl" else []
        call_command("export_rankings", "kitchen", str(path), *options, stdout=io.StringIO())
    exported = json.loads(files["one.jsonl"].read_text())
    assert (exported["ranking"], exported["unranked"]) == ([["b"], ["c"]], ["a", "d"])
    for path in files.values():
        out, _ = run("import_rankings", str(path))
        assert "already been imported" in out
    assert Ranking.objects.count() == 1

    tied = ranked(["b"], ["c"], ["a", "d"])
    _, bad = refused("import_rankings", write(tied))
    assert "a second, different ranking of these responses by 'ann'" in bad


def test_one_prompt_ranked_by_two_people_is_one_prompt(project: Project, write: Any) -> None:
    run(
        "import_rankings",
        write(ranked(["a"], ["b"]), ranked(["b"], ["a"], labeller="bob")),
    )
    assert Prompt.objects.count() == 1
    assert Response.objects.count() == 2
    assert Ranking.objects.count() == 2


def test_one_person_may_rank_two_sets_of_responses_to_one_prompt(
    project: Project, write: Any
) -> None:
    run("import_rankings", write(ranked(["a"], ["b"]), ranked(["a"], ["c"])))
    assert Ranking.objects.count() == 2
    assert Response.objects.count() == 3


def test_a_line_without_a_ranking_waits_for_labellers(project: Project, write: Any) -> None:
    project.rankings_per_prompt = 3
    project.save()
    out, _ = run("import_rankings", write(line()))
    assert "1 prompt now waits for labellers" in out
    assert Prompt.objects.get().rankings_needed == 3


def test_a_ranked_prompt_does_not_wait_unless_its_prompts_are_imported(
    project: Project, write: Any
) -> None:
    path = write(ranked(["a"], ["b"], ["c"], ["d"]))
    run("import_rankings", path)
    assert not Prompt.objects.waiting().exists()
    out, _ = run("import_prompts", path)
    assert Prompt.objects.waiting().count() == 1
    assert "1 ranking was ignored; see import_rankings" in out


def test_importing_twice_adds_nothing(project: Project, write: Any) -> None:
    path = write(ranked(["a"], ["b"]), line("Other?", id="p1"), line("Third?"))
    run("import_rankings", path)
    counts = [m.objects.count() for m in (Prompt, Response, Ranking, Placement, Member)]
    out, _ = run("import_rankings", path)
    assert "3 lines had already been imported" in out
    assert [m.objects.count() for m in (Prompt, Response, Ranking, Placement, Member)] == counts


def test_importing_again_does_not_reopen_what_was_labelled(project: Project, write: Any) -> None:
    path = write(line())
    run("import_prompts", path)
    Prompt.objects.update(rankings_needed=0)  # somebody has it
    run("import_prompts", path)
    assert Prompt.objects.get().rankings_needed == 0


def test_chat_history_is_kept(project: Project, write: Any) -> None:
    chat = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Why?"},
    ]
    run("import_rankings", write(line(chat)))
    assert Prompt.objects.get().messages == chat


def test_gzip_is_read_whatever_the_name(project: Project, write: Any, tmp_path: Path) -> None:
    path = Path(write(line(), name="x.jsonl.gz")).rename(tmp_path / "plain")
    run("import_rankings", str(path))
    assert Prompt.objects.count() == 1


def test_standard_input_is_read(
    project: Project, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(write(line()), "rb") as raw:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
        run("import_rankings", "-")
    assert Prompt.objects.count() == 1


def test_the_classic_csv_is_read(project: Project, write: Any) -> None:
    header = (
        b"Prompt|Most preferable response|Somewhat preferable response|Least preferable response"
    )
    path = write(header, b'Why?|best|"two\nlines"|worst', name="rankings.csv")
    run("import_rankings", path, "--labeller", "tutor")
    ranking = Ranking.objects.get()
    by_rank = ranking.placements.order_by("rank").values_list("response__text", flat=True)
    assert list(by_rank) == ["best", "two\nlines", "worst"]
    assert ranking.member.name == "tutor"


def test_the_separator_of_a_csv_can_be_chosen(project: Project, write: Any) -> None:
    path = write(b"Prompt^Most^Least", b"Why?^best^worst", name="rankings.csv")
    message, _ = refused("import_rankings", path)
    assert "Give the separator with --delimiter" in message
    run("import_rankings", path, "--delimiter", "^")
    assert Ranking.objects.count() == 1


@pytest.mark.parametrize("sign", [b",", b";", b"\t", b"|"])
def test_the_usual_separators_of_a_csv_are_found(project: Project, write: Any, sign: bytes) -> None:
    rows = [[b"Prompt", b"Most", b"Least"], [b"Why?", b"best", b"worst"]]
    run("import_rankings", write(*(sign.join(row) for row in rows), name="rankings.csv"))
    assert Ranking.objects.get().placements.get(rank=1).response.text == "best"


def test_the_columns_of_a_table_can_be_named(project: Project, write: Any) -> None:
    rows = [b"Frage;Antwort;Rang;Wer", b"Why?;Paint.;2;ann", b"Why?;Scattering.;1;ann"]
    path = write(*rows, name="rankings.csv")
    names = ["prompt=Frage", "response=Antwort", "rank=Rang", "labeller=Wer"]
    message, _ = refused("import_rankings", path, "--column", "prompt=Fragen")
    assert message.startswith(f"{path} has no column 'Fragen'; its columns are 'Frage', 'Antwort'")
    run("import_rankings", path, *(word for name in names for word in ("--column", name)))
    ranking = Ranking.objects.get()
    assert ranking.member.name == "ann"
    assert ranking.placements.get(rank=1).response.text == "Scattering."


def test_a_bad_ranking_of_a_table_is_reported_by_its_first_line(
    project: Project, write: Any
) -> None:
    rows = [
        b"prompt,response,rank",
        b"Why?,a,1",
        b"Why?,b,2",
        b"How?,c,1",
        b"How?,d,x",
        b"How?,e,2",
    ]
    _, report = refused("import_rankings", write(*rows, name="rankings.csv"))
    assert report == "line 4: has a rank that is not a number: 'x'\n"


def test_what_names_columns_in_another_way_is_refused(project: Project, write: Any) -> None:
    path = write(line())
    assert "takes FIELD=COLUMN" in refused("import_rankings", path, "--column", "prompt")[0]
    assert (
        "has no column 'p'; its keys are"
        in refused("import_rankings", path, "--column", "prompt=p")[0]
    )


def test_bad_rows_of_a_csv_are_reported(project: Project, write: Any) -> None:
    path = write(
        b"Prompt|1st|2nd|3rd",
        b"Why?|a|b|c",
        b"Why?|a|b",
        b"Why?|a||c",
        b"Why?|a|\xff|c",
        name="x.csv",
    )
    _, report = refused("import_rankings", path)
    assert report.splitlines() == [
        "line 3: has 3 columns where the header has 4",
        "line 4: has an empty response: '2nd'",
        "line 5: has a character in response '2nd' that is not Unicode text",
    ]
    assert not Prompt.objects.exists()


NINE = tuple("abcdefghi")

BAD = {
    b"{not json": "is not JSON: Expecting property name enclosed in double quotes at column 2",
    b"[1, 2]": "is not a JSON object with prompt and responses",
    b'{"prompt": "\xff"}': "is not UTF-8 (byte 13 of the line)",
    b"[" * 100_000: "is not a ranking: it is nested too deeply",
    json.dumps(ranked(["a"], ["x"], ids=("a", "b"))): "has a rank for 'x', which is not among its",
    json.dumps(ranked(["a"], ids=("a", "b"))): "has no rank for the response 'b'",
    json.dumps(ranked(["a"], ["b", "a"], ids=("a", "b"))): "ranks the response 'a' twice",
    json.dumps(ranked(["a"], [], ["b"])): "has a ranking that is not groups of tied ids",
    json.dumps(line() | {"ranking": 3}): "has a ranking that is not groups of tied ids",
    json.dumps(line() | {"ranking": "a>b"}): "has no rank for the response 'c'",
    json.dumps(line(ids=("a", "a", "b", "c"))): "has two responses with the id 'a'",
    json.dumps(line(ids=("a", "b", "c"))): "has 3 responses, and a prompt to be labelled needs at",
    json.dumps(
        ranked(*([id_] for id_ in (*NINE, "j")))
    ): "ranks 10 responses; a ranking has 2 to 9",
    json.dumps(ranked(["a"])): "ranks 1 response; a ranking has 2 to 9",
    json.dumps(line("")): "has an empty prompt",
    json.dumps(line([{"role": "user"}])): "has a prompt message without role and content",
    json.dumps(line(None)): "has no prompt",
    json.dumps(line("nul \0")): "has a NUL character in the prompt",
    json.dumps(line("half \ud800")): "has a character in the prompt that is not Unicode text",
    json.dumps({"prompt": "Why?"}): "has no responses",
    json.dumps({"prompt": "Why?", "responses": [3]}): "has a response that is not a text",
    json.dumps(
        {"prompt": "Why?", "responses": [{"id": i, "text": t} for i, t in enumerate("abb ")]}
    ): "has an empty response: '3'",
    json.dumps(
        {"prompt": "Why?", "responses": [{"id": i, "text": t} for i, t in enumerate("abbc")]}
    ): "has a duplicate: '1' and '2' are the same text",
    json.dumps(line(labeller="x" * 151)): "has a labeller of more than 150 characters",
    json.dumps(line(labeller=7)): "has a labeller that is not a text",
}


@pytest.mark.parametrize(("bad", "reason"), BAD.items(), ids=list(BAD.values()))
def test_a_bad_line_is_named_and_nothing_is_imported(
    project: Project, write: Any, bad: str | bytes, reason: str
) -> None:
    path = write(line("Good?"), bad if isinstance(bad, bytes) else bad.encode())
    message, report = refused("import_rankings", path)
    assert report.startswith(f"line 2: {reason}")
    assert report.count("\n") == 1
    assert message.startswith("1 bad line; nothing was imported")
    assert not Prompt.objects.exists()
    assert not Member.objects.exists()


def test_the_good_lines_are_imported_if_asked(project: Project, write: Any) -> None:
    path = write(line("One?"), b"nonsense", b"", line("Two?"), ranked(["a"], ["x"], ids=("a", "b")))
    out, report = run("import_rankings", path, "--skip-bad-lines")
    assert report.startswith("line 2: is not JSON")
    assert "line 5: has a rank for 'x'" in report
    assert "2 bad lines were left out" in out
    assert Prompt.objects.count() == 2


def test_a_second_different_verdict_is_refused(project: Project, write: Any) -> None:
    run("import_rankings", write(ranked(["a"], ["b"])))
    _, report = refused("import_rankings", write(ranked(["b"], ["a"])))
    assert report == "line 1: is a second, different ranking of these responses by 'ann'\n"
    assert ranks(Ranking.objects.get()) == {"a": 1, "b": 2}


def test_a_line_that_contradicts_is_bad_and_not_already_there(project: Project, write: Any) -> None:
    run("import_rankings", write(ranked(["a"], ["b"])))
    out, _ = run("import_rankings", write(ranked(["b"], ["a"])), "--skip-bad-lines")
    assert "1 bad line was left out" in out
    assert "already" not in out


def test_a_prompt_takes_an_id_once(project: Project, write: Any) -> None:
    run("import_rankings", write(line("One?")))
    run("import_rankings", write(line("One?", id="p")))
    assert Prompt.objects.get().external_id == "p"
    _, report = refused("import_rankings", write(line("Two?", id="p"), line("One?", id="q")))
    assert report.splitlines() == [
        "line 1: has the id 'p' of another prompt",
        "line 2: has the id 'q', but its prompt has the id 'p' already",
    ]


def test_ids_may_be_numbers(project: Project, write: Any) -> None:
    responses = [{"id": i, "text": f"text {i}"} for i in (1, 2)]
    data = {"id": 7, "prompt": "Why?", "responses": responses, "ranking": [[2], [1]]}
    run("import_rankings", write(data))
    assert ranks(Ranking.objects.get()) == {"2": 1, "1": 2}
    assert Prompt.objects.get().external_id == "7"


def test_import_prompts_does_not_look_at_rankings(project: Project, write: Any) -> None:
    ten = tuple("abcdefghij")
    run("import_prompts", write(line(ids=ten, ranking=[["x"]]), line("Two?", ranking="a>b")))
    assert Prompt.objects.waiting().count() == 2
    assert not Ranking.objects.exists()


def test_an_id_stands_for_one_prompt(project: Project, write: Any) -> None:
    _, report = refused("import_rankings", write(line("One?", id="p"), line("Two?", id="p")))
    assert report == "line 2: has the id 'p' of another prompt\n"


def test_a_gzip_file_cut_short_imports_nothing(project: Project, write: Any) -> None:
    path = Path(write(*(line(f"{i}?") for i in range(2000)), name="x.jsonl.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    message, _ = refused("import_rankings", str(path))
    assert "the gzip file is damaged or cut short" in message
    assert not Prompt.objects.exists()


def test_a_damaged_gzip_file_imports_nothing(project: Project, write: Any) -> None:
    path = Path(write(*(line(f"{i}?") for i in range(2000)), name="x.jsonl.gz"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 40] = bytes(40)
    path.write_bytes(raw)
    message, _ = refused("import_rankings", str(path))
    assert "the gzip file is damaged or cut short" in message
    assert not Prompt.objects.exists()


def test_a_pipe_is_read(project: Project, write: Any, tmp_path: Path) -> None:
    content = Path(write(line())).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    run("import_rankings", str(pipe))
    writer.join()
    assert Prompt.objects.count() == 1


def test_a_row_of_a_csv_is_never_altered(project: Project, write: Any) -> None:
    path = write(b"Prompt|1st|2nd", b'"Hello" is what?|a|b', name="x.csv")
    _, report = refused("import_rankings", path)
    assert report.startswith("line 2: is not CSV")


def test_a_file_or_project_that_is_not_there_is_named(project: Project) -> None:
    message, _ = refused("import_rankings", "/nowhere/x.jsonl")
    assert (
        message
        == "/nowhere/x.jsonl cannot be opened: No such file or directory; nothing was imported"
    )
    with pytest.raises(CommandError, match=r"create it with manage\.py create_project attic"):
        call_command("import_rankings", "x", "--project", "attic")


def test_a_huge_line_does_not_fill_the_memory(project: Project, write: Any) -> None:
    path = write(b'{"prompt": "' + b"x" * (17 * 2**20) + b'"}', line())
    _, report = refused("import_rankings", path)
    assert report == "line 1: is longer than 16 MiB\n"


def test_a_ranking_file_may_rank_as_many_as_a_labeller_is_shown() -> None:
    assert MAX_RANKED == MAX_RESPONSES


def test_more_than_nine_responses_may_wait_for_labellers(project: Project, write: Any) -> None:
    run("import_prompts", write(line(ids=tuple("abcdefghijkl"))))
    assert Response.objects.count() == 12


def test_many_large_lines_are_written_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelapp.importing.batches.BATCH_CHARACTERS", 100)
    responses = [FileResponse("a", "x" * 60)]
    lines = [Line(number, [], responses) for number in range(5)]
    bad = BadLine(9, "is bad")
    assert list(batches([*lines, bad])) == [lines[:2], lines[2:4], [lines[4], bad]]
