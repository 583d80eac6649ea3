"""Exported files are complete or absent, with a manifest beside them."""

import hashlib
import io
import json
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from labelapp.exporting.reader import ExportedPrompt
from labelapp.exporting.writer import export_file
from labelapp.models import Member, Project, hash_text
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.exported import THREE, lines, refused
from training.config import TrainConfig
from training.splits import held_out_hashes


def test_the_manifest_says_what_is_in_the_file(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    bob: Member,
    project: Project,
    tmp_path: Path,
) -> None:
    hashes = []
    for number in range(12):
        prompt = add_prompt(f"Number {number}?", THREE)
        add_ranking(prompt, ann, [1, 2, 2])
        hashes.append(prompt.content_hash)
    add_ranking(prompt, bob, [1, 2, 3])
    add_ranking(add_prompt("All alike?", THREE), bob, [1, 1, 1])
    add_prompt("Nobody ranked this?")
    out = io.StringIO()
    path = tmp_path / "kitchen.jsonl.gz"
    call_command("export_rankings", "kitchen", str(path), stdout=out)
    manifest = json.loads((tmp_path / "kitchen.jsonl.gz.manifest.json").read_text())
    assert manifest["counts"] == {
        "prompts": 14,
        "rankings": 14,
        "comparisons": 12 * 2 + 3,
        "responses": 13 * 3 + 4,
        "labellers": 2,
    }
    assert manifest["file"] == "kitchen.jsonl.gz"
    assert manifest["format"] == "jsonl"
    assert manifest["versions"] == "current"
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["bytes"] == path.stat().st_size
    assert datetime.fromisoformat(manifest["made_at"]).tzinfo is not None
    assert manifest["project"]["slug"] == "kitchen"
    assert manifest["project"]["guidelines"] == "Prefer *short*."
    assert manifest["split"] == {
        "held_out_fraction": TrainConfig.held_out_fraction,
        "split": 0,
        "prompts": 12,
        "held_out_prompts": len(held_out_hashes(hashes, TrainConfig.held_out_fraction)),
    }
    assert "14 rankings (27 comparisons) by 2 labellers, of 14 prompts" in out.getvalue()


@pytest.mark.parametrize("ranked_prompts", [0, 1, 2, 3])
def test_the_manifest_holds_out_as_many_of_few_prompts_as_training_does(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    export: Any,
    tmp_path: Path,
    ranked_prompts: int,
) -> None:
    hashes = []
    for number in range(ranked_prompts):
        prompt = add_prompt(f"Number {number}?", THREE)
        add_ranking(prompt, ann, [1, 2, 3])
        hashes.append(prompt.content_hash)
    export()
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    expected = held_out_hashes(hashes, TrainConfig.held_out_fraction)
    assert manifest["split"]["held_out_prompts"] == len(expected)


def test_a_file_that_is_there_is_replaced_only_when_asked(
    add_prompt: AddPrompt, tmp_path: Path
) -> None:
    add_prompt()
    path = tmp_path / "out.jsonl"
    path.write_text("precious")
    assert refused("kitchen", str(path)) == f"{path} already exists; --force replaces it"
    assert path.read_text() == "precious"
    call_command("export_rankings", "kitchen", str(path), "--force", stdout=io.StringIO())
    assert len(lines(path.read_text())) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.manifest.json"]


def test_a_manifest_that_is_there_is_not_written_over(project: Project, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.manifest.json").write_text("{}")
    assert "out.jsonl.manifest.json already exists" in refused(
        "kitchen", str(tmp_path / "out.jsonl")
    )


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Limit the size of the files that this process can write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_full_disk_leaves_nothing_half_and_the_old_file_as_it_was(
    add_prompt: AddPrompt, tmp_path: Path, name: str
) -> None:
    for number in range(40):
        add_prompt(
            f"{hash_text(str(number))} {number}?", [hash_text(f"{number} {i}") for i in range(9)]
        )
    path = tmp_path / name
    path.write_text("precious")
    with room_for(4096):
        message = refused("kitchen", str(path), "--force")
    assert message == f"{path} cannot be written: File too large"
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_export_that_is_stopped_leaves_nothing_half(
    project: Project, add_prompt: AddPrompt, tmp_path: Path
) -> None:
    add_prompt("First?")
    add_prompt("Second?")

    def interrupted(prompts: Iterable[ExportedPrompt]) -> Iterator[ExportedPrompt]:
        yield next(iter(prompts))
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_file(project, tmp_path / "out.jsonl", "jsonl", progress=interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("slug", "name", "message"),
    [
        ("nowhere", "out.jsonl", "there is no project 'nowhere'"),
        ("kitchen", "no/such/folder/out.jsonl", "cannot be written: No such file or directory"),
        ("kitchen", ".", "exists and is not a file"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    project: Project, tmp_path: Path, slug: str, name: str, message: str
) -> None:
    error = refused(slug, str(tmp_path / name))
    assert message in error
    assert "\n" not in error


def test_a_line_is_on_standard_output_where_no_file_is_named(
    add_prompt: AddPrompt, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    add_prompt("Wörds?")
    call_command("export_rankings", "kitchen")
    assert json.loads(capsysbinary.readouterr().out)["prompt"] == "Wörds?"
    call_command("export_rankings", "kitchen", "-", "--format", "csv")
    assert capsysbinary.readouterr().out.startswith(b"ranking,prompt_id")
    assert list(tmp_path.iterdir()) == []
