"""Files as they come: compressed, from a pipe, as tables, damaged or huge."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labelapp.models import Project, Prompt, Ranking
from tests.labelapp.importing.lines import line, refused, run


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
