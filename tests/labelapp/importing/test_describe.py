"""`manage.py describe` and what an import prints: how a file is read."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labelapp.models import Member, Project, Prompt, Ranking
from tests.conftest import sign_in

PAIRS = """{"question": "Why?", "chosen": "a", "rejected": "b", "annotator": "ann", "topic": 3}
{"question": "How?", "chosen": "c", "rejected": "d", "annotator": "ann", "topic": 3}
{"question": "Who?", "chosen": "e"}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text(PAIRS)
    return path


SAMPLES = Path(__file__).resolve().parents[3] / "static" / "samples"


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_file_that_cannot_be_read_is_named(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text("<!doctype html><p>Not found")
    problem = f"{path} is a page of HTML: save it as JSON lines, CSV or Parquet"
    with pytest.raises(CommandError) as error:
        printed("describe", str(path))
    assert str(error.value) == problem
    with pytest.raises(CommandError) as error:
        printed("import_rankings", str(path), "--project", project.slug)
    assert str(error.value) == f"{problem}; nothing was imported"


def test_a_file_is_described_and_nothing_is_stored(project: Project, path: Path) -> None:
    out = printed("describe", str(path))
    assert "2 rankings, 0 prompts without a ranking, 1 bad line\n" in out
    for line in (
        "  read as: pairs of a better and a worse response (2 of 3)",
        "  prompt: question",
        "  labeller: annotator",
        "  not read: topic (2)",
        "line 1, ranked by ann\n  user: Why?\n  1. a\n  2. b",
        "  line 3: has no responses",
    ):
        assert line in out, out
    assert not Prompt.objects.exists()


def test_a_file_that_leaves_a_question_open_names_the_option(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("prompt,response_a,response_b,label\nWhy?,x,y,0\nHow?,x,y,1\n")
    with pytest.raises(CommandError, match=r"--verdict 0=\.\.\. --verdict 1="):
        printed("describe", str(path))
    out = printed("describe", str(path), "--verdict", "0=b", "--verdict", "1=a")
    assert "line 2\n  user: Why?\n  1. y\n  2. x" in out
    with pytest.raises(CommandError, match="takes VALUE=MEANING"):
        printed("describe", str(path), "--verdict", "0")


def test_an_import_says_how_it_read_the_file(project: Project, path: Path) -> None:
    out = printed("import_rankings", str(path), "--project", "kitchen", "--skip-bad-lines")
    assert "  prompt: question" in out
    assert "  not read: topic (2)" in out
    assert Ranking.objects.count() == 2


def test_each_sample_is_imported_and_offered(project: Project, manager: Member) -> None:
    page = sign_in(manager).get(f"/projects/{project.slug}/uploads/").content.decode()
    for path in sorted(SAMPLES.iterdir()):
        assert f'samples/{path.name}" download' in page
        ranked = path.name != "prompts.jsonl"
        found = "2 rankings, 0 prompts" if ranked else "0 rankings, 2 prompts"
        assert printed("describe", str(path)).startswith(found)
        command = "import_rankings" if ranked else "import_prompts"
        printed(command, str(path), "--project", project.slug, "--labeller", path.stem)
    # All samples are of the same two prompts, and those with a labeller of the same rankings.
    assert (Prompt.objects.count(), Ranking.objects.count()) == (2, 12)
    first = Prompt.objects.order_by("pk").first()
    assert first is not None
    assert first.responses.count() == 4
