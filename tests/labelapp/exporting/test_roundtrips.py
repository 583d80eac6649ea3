"""Exports in other formats than ranking JSONL, imported again."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import load_dataset
from django.core.management import call_command

from labelapp.exporting.formats import COLUMNS, format_moment
from labelapp.models import Member, Project, Ranking, Rating, Response, hash_text
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.exported import CONVERSATION, conversation, lines, rank, refused, rows
from tests.labelapp.exporting.test_writer import room_for
from training.rankings import UNRANKED

HOSTILE = ("=1+1", "'=cmd|' /C calc'!A0", "''+x", "-5", "@x", "\tx", "\r\nx", '"; "', "'quoted'")


def kitchen(project: Project, add_prompt: AddPrompt, add_ranking: AddRanking) -> None:
    """Rankings with ties, by two people, of hostile texts and of a conversation."""
    ann, bob = (Member.objects.create(project=project, name=name) for name in ("=ann", "bob"))
    prompt = add_prompt("=A1 is what?", HOSTILE)
    add_ranking(prompt, ann, [1, 2, 2, 3, 4, 4, 4, 5, 6], note="+1")
    add_ranking(prompt, bob, [9, 8, 7, 6, 5, 4, 3, 2, 1], all_bad=True)
    talk = conversation(project, CONVERSATION, "So.", "Ah.", "'Oh.")
    rank(talk, bob, list(talk.responses.order_by("pk")), [2, 1, 2])
    rank(talk, ann, list(talk.responses.order_by("pk")), [UNRANKED, 1, UNRANKED])


def rankings(text: str) -> list[dict[str, Any]]:
    """Return the labellers, ranks and texts of all rankings."""
    keys = ("prompt", "responses", "ranking", "unranked", "labeller", "id")
    return [{key: line.get(key) for key in keys} for line in lines(text)]


def import_into_another(path: Path) -> Project:
    other = Project.objects.create(name="Other", slug="other")
    call_command("import_rankings", str(path), "--project", "other", stdout=io.StringIO())
    return other


def test_our_own_csv_is_read_back_as_the_same_rankings(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, export: Any, tmp_path: Path
) -> None:
    kitchen(project, add_prompt, add_ranking)
    export(name="out.csv")
    other = import_into_another(tmp_path / "out.csv")
    assert Ranking.objects.filter(prompt__project=other).count() == 4
    assert rankings(export(name="2.jsonl", slug="other")) == rankings(export(name="1.jsonl"))


def test_our_own_pairs_are_read_back_as_rankings_of_two(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any, tmp_path: Path
) -> None:
    add_ranking(add_prompt("=A1 is what?", HOSTILE), ann, [1, 2, 2, 3, 4, 4, 4, 5, 6])
    text = export("--format", "trl", name="out.jsonl")
    import_into_another(tmp_path / "out.jsonl")
    pairs = export("--format", "trl", name="2.jsonl", slug="other")
    assert sorted(pairs.splitlines()) == sorted(text.splitlines())


def test_parquet_has_the_columns_of_the_csv_with_their_types(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, export: Any, tmp_path: Path
) -> None:
    kitchen(project, add_prompt, add_ranking)
    Rating.objects.create(
        ranking=Ranking.objects.order_by("pk")[0],
        response=Response.objects.order_by("pk")[0],
        score=5,
        flags=["Rude", "wrong"],
    )
    text = export(name="out.csv")
    call_command("export_rankings", "kitchen", str(tmp_path / "out.parquet"), stdout=io.StringIO())
    table = pd.read_parquet(tmp_path / "out.parquet")
    written = rows(text)
    assert list(table.columns) == list(COLUMNS)
    ranks = ["" if pd.isna(rank) else str(int(rank)) for rank in table["rank"]]
    assert ranks == [row["rank"] for row in written]
    assert ranks.count("") == 2
    first = table.iloc[0]
    assert (first["prompt"], first["response"]) == ("=A1 is what?", "=1+1")
    assert list(first["flags"]) == ["Rude", "wrong"]
    assert first["created_at"].isoformat() == format_moment(
        Ranking.objects.order_by("pk")[0].created_at
    ).replace("Z", "+00:00")
    assert list(table.iloc[-1]["conversation"]) == CONVERSATION
    assert str(table["all_bad"].dtype) == "bool"
    manifest = json.loads((tmp_path / "out.parquet.manifest.json").read_text())
    digest = hashlib.sha256((tmp_path / "out.parquet").read_bytes()).hexdigest()
    assert (manifest["format"], manifest["sha256"]) == ("parquet", digest)


def test_our_own_parquet_is_read_back_as_the_same_rankings(
    project: Project, add_prompt: AddPrompt, add_ranking: AddRanking, export: Any, tmp_path: Path
) -> None:
    kitchen(project, add_prompt, add_ranking)
    for name in ("out.parquet", "again.parquet"):
        call_command("export_rankings", "kitchen", str(tmp_path / name), stdout=io.StringIO())
    raw = (tmp_path / "out.parquet").read_bytes()
    assert raw == (tmp_path / "again.parquet").read_bytes()
    import_into_another(tmp_path / "out.parquet")
    assert rankings(export(name="2.jsonl", slug="other")) == rankings(export(name="1.jsonl"))
    table = load_dataset(
        "parquet", data_files=str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert len(table) == 9 + 9 + 3 + 3
    assert table[0]["response"] == "=1+1"


def test_parquet_goes_to_a_pipe_as_well(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, capfdbinary: Any
) -> None:
    add_ranking(add_prompt(), ann, [1, 2, 3, 4])
    call_command("export_rankings", "kitchen", "-", "--format", "parquet")
    table = pd.read_parquet(io.BytesIO(capfdbinary.readouterr().out))
    assert list(table["rank"]) == [1, 2, 3, 4]


def test_a_parquet_file_that_cannot_be_written_leaves_nothing(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, tmp_path: Path
) -> None:
    for number in range(40):
        texts = [hash_text(f"{number} {place}") * 3 for place in range(9)]
        add_ranking(add_prompt(f"{number}?", texts), ann, range(1, 10))
    path = tmp_path / "out.parquet"
    assert "leave .gz out of the name" in refused("kitchen", f"{path}.gz", "--format", "parquet")
    with room_for(4096):
        assert refused("kitchen", str(path)) == f"{path} cannot be written: File too large"
    assert list(tmp_path.iterdir()) == []
