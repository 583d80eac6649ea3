"""Imports of rankings and prompts, with good and bad lines."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from labelapp.importing.batches import batches
from labelapp.models import MAX_RESPONSES, Member, Placement, Project, Prompt, Ranking, Response
from tests.labelapp.importing.lines import FOUR, line, ranked, refused, run
from training.formats.ranking_file import MAX_RANKED, BadLine, FileResponse, Line
from training.rankings import UNRANKED


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
