"""Exports of all rankings, of the majority of labellers, and of adjudicated rankings first."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from labelapp.exporting import exports
from labelapp.models import Export as Prepared
from labelapp.models import Member, Origin, Prompt, State
from tests.conftest import AddPrompt, AddRanking, sign_in
from tests.labelapp.exporting.exported import THREE, refused
from training.data.file import FileSource
from training.data.staging import stage

Export = Callable[..., str]


@pytest.fixture
def prompt(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    bob: Member,
    labeller: Member,
    manager: Member,
) -> Prompt:
    """A prompt ranked by three labellers, two of whom agree, and adjudicated differently."""
    prompt = add_prompt("Disputed?", THREE)
    add_ranking(prompt, ann, [1, 2, 3], note="Clear.")
    add_ranking(prompt, bob, [1, 2, 3], all_bad=True)
    add_ranking(prompt, labeller, [3, 2, 1], all_bad=True)
    add_ranking(prompt, manager, [3, 1, 2], origin=Origin.ADJUDICATED)
    add_ranking(add_prompt("Undisputed?", THREE), ann, [1, 2, 2])
    return prompt


def ranked(text: str) -> list[tuple[str, list[list[str]]]]:
    """Return the labellers and their rankings, by the first letters of the responses."""
    found = []
    for line in map(json.loads, text.splitlines()):
        texts = {response["id"]: response["text"][:3] for response in line["responses"]}
        groups = [sorted(texts[id_] for id_ in group) for group in line["ranking"]]
        found.append((line["labeller"], groups))
    return found


UNDISPUTED = ("ann", [["Sca"], ["Pai", "The"]])


def test_all_is_every_current_ranking(prompt: Prompt, export: Export) -> None:
    names = [name for name, _ in ranked(export())]
    assert names == ["ann", "bob", "labeller", "manager", "ann"]


def test_the_majority_is_one_ranking_of_each_set(prompt: Prompt, export: Export) -> None:
    text = export("--aggregation", "majority")
    assert ranked(text) == [("majority of 3", [["Sca"], ["Pai"], ["The"]]), UNDISPUTED]
    line = json.loads(text.splitlines()[0])
    assert (line["all_bad"], line["version"], line["current"]) == (True, 1, True)
    assert "note" not in line


def test_an_adjudicated_ranking_stands_for_the_others(prompt: Prompt, export: Export) -> None:
    found = ranked(export("--aggregation", "adjudicated"))
    assert found == [("manager", [["Pai"], ["The"], ["Sca"]]), UNDISPUTED]


@pytest.mark.parametrize("aggregation", ["all", "majority", "adjudicated"])
def test_training_on_the_file_of_all_chooses_as_the_export_does(
    prompt: Prompt, export: Export, tmp_path: Path, aggregation: str
) -> None:
    export(name="all.jsonl")
    export("--aggregation", aggregation, name="chosen.jsonl")
    hashes = []
    for name, choice in (("all.jsonl", aggregation), ("chosen.jsonl", "all")):
        with stage(FileSource(tmp_path / name), tmp_path / "cache", choice) as spool:  # type: ignore[arg-type]
            ranks = sorted(r.ranks for one in spool.prompts() for r in one.prompt.rankings)
            hashes.append((ranks, spool.counts.chosen))
    assert hashes[0] == hashes[1]


def test_the_manifest_says_which_were_chosen(
    prompt: Prompt, export: Export, tmp_path: Path
) -> None:
    export("--aggregation", "majority")
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert (manifest["aggregation"], manifest["counts"]["rankings"]) == ("majority", 2)
    assert manifest["verdicts"] == "majority"


def test_the_earlier_option_still_works(prompt: Prompt, export: Export) -> None:
    assert export("--verdicts", "majority") == export("--aggregation", "majority", name="new.jsonl")


def test_an_export_that_an_earlier_version_queued_is_written(
    prompt: Prompt, export: Export, manager: Member
) -> None:
    """Write an export whose stored options have the earlier name."""
    asked = {"format": "jsonl", "aggregation": "majority"}
    sign_in(manager).post("/projects/kitchen/export/", asked)
    prepared = Prepared.objects.get()
    prepared.options["verdicts"] = prepared.options.pop("aggregation")
    prepared.save()
    exports.execute(prepared)
    assert prepared.state == State.DONE
    assert exports.file_path(prepared).read_text() == export("--aggregation", "majority")


def test_earlier_versions_need_all_rankings(
    prompt: Prompt, export: Export, manager: Member, tmp_path: Path
) -> None:
    options = ["--aggregation", "majority", "--all-versions"]
    assert "omit --all-versions or --aggregation" in refused(
        "kitchen", str(tmp_path / "x.jsonl"), *options
    )
    asked = {"format": "jsonl", "aggregation": "majority", "all_versions": "on"}
    response = sign_in(manager).post("/projects/kitchen/export/", asked)
    assert response.status_code == 422
    assert "To include earlier versions, choose every ranking." in response.content.decode()


def test_a_manager_downloads_what_was_chosen(
    prompt: Prompt, export: Export, manager: Member
) -> None:
    asked = {"format": "jsonl", "aggregation": "adjudicated"}
    client = sign_in(manager)
    assert client.post("/projects/kitchen/export/", asked).status_code == 302
    prepared = Prepared.objects.get()
    exports.execute(prepared)
    response = client.get(f"/projects/kitchen/export/{prepared.pk}/file/")
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    assert text == export("--aggregation", "adjudicated")
