"""What an export wrote in another form than ranking JSONL, imported again."""

import io
from pathlib import Path
from typing import Any

from django.core.management import call_command

from labelapp.models import Member, Project, Ranking
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exported import CONVERSATION, conversation, lines, rank

HOSTILE = ("=1+1", "'=cmd|' /C calc'!A0", "''+x", "-5", "@x", "\tx", "\r\nx", '"; "', "'quoted'")


def kitchen(project: Project, add_prompt: AddPrompt, add_ranking: AddRanking) -> None:
    """Rankings with ties, by two people, of hostile texts and of a conversation."""
    ann, bob = (Member.objects.create(project=project, name=name) for name in ("=ann", "bob"))
    prompt = add_prompt("=A1 is what?", HOSTILE)
    add_ranking(prompt, ann, [1, 2, 2, 3, 4, 4, 4, 5, 6], note="+1")
    add_ranking(prompt, bob, [9, 8, 7, 6, 5, 4, 3, 2, 1], all_bad=True)
    talk = conversation(project, CONVERSATION, "So.", "Ah.", "'Oh.")
    rank(talk, bob, list(talk.responses.order_by("pk")), [2, 1, 2])


def rankings(text: str) -> list[dict[str, Any]]:
    """What was ranked how by whom; how it came to be is another matter."""
    keys = ("prompt", "responses", "ranking", "labeller", "id")
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
    assert Ranking.objects.filter(prompt__project=other).count() == 3
    assert rankings(export(name="2.jsonl", slug="other")) == rankings(export(name="1.jsonl"))


def test_our_own_pairs_are_read_back_as_rankings_of_two(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any, tmp_path: Path
) -> None:
    add_ranking(add_prompt("=A1 is what?", HOSTILE), ann, [1, 2, 2, 3, 4, 4, 4, 5, 6])
    text = export("--format", "trl", name="out.jsonl")
    import_into_another(tmp_path / "out.jsonl")
    pairs = export("--format", "trl", name="2.jsonl", slug="other")
    assert sorted(pairs.splitlines()) == sorted(text.splitlines())
