"""The settings of a run, and its files to download."""

import argparse
import html
import io
import re
import shlex
import shutil
from zipfile import ZipFile

import pytest
from django.utils import timezone

from labelapp.models import Member, State, TrainingRun, User
from labelapp.runs import process
from labelapp.runs.one_run import run_files, settings_table
from tests.conftest import sign_in
from tests.labelapp.runs.pages import RUNS, get, text_of
from training.config import TrainConfig, add_arguments, from_arguments

pytestmark = pytest.mark.django_db


# Settings


def test_changed_settings_come_first_and_each_is_explained(
    run: TrainingRun, manager: Member
) -> None:
    page = get(manager, run, "settings/")
    [changed, _] = page.split('<th scope="rowgroup" colspan="3">Model</th>')
    assert re.findall(r'<th scope="row"><code>(\w+)</code>', changed) == [
        "backbone", "epochs", "seed",
    ]  # fmt: skip
    assert text_of(changed).endswith(
        "seed Random seed of the initial weights and of the order of the data. 3 0"
    )


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(backbone="rnn", epochs=7, seed=3),
        TrainConfig(backbone="pretrained", model="org/a model", lora_rank=8, keep="best"),
        TrainConfig(backbone="pretrained", optimizer="sgd", learning_rate=0.01),
        TrainConfig(backbone="transformer", optimizer="adafactor", ties="davidson"),
    ],
)
def test_the_command_repeats_the_run(run: TrainingRun, config: TrainConfig) -> None:
    run.config = config.to_json()
    program, *arguments = shlex.split(settings_table.command(run))
    assert [program, *arguments[:3]] == [
        "python", "manage.py", "train_reward", "--project=kitchen",
    ]  # fmt: skip
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert from_arguments(parser.parse_args(arguments[3:])) == config


# Files


def test_a_manager_downloads_the_files(run: TrainingRun, manager: Member) -> None:
    folder = process.run_folder(run)
    folder.model.mkdir()
    (folder.model / "model.safetensors").write_bytes(b"w" * 3_000_000)
    (folder.path / "lock").write_text("1")
    (folder.path / "secret").symlink_to("/etc/hostname")
    folder.write_metrics({"seconds": 1})
    client = sign_in(manager)
    page = get(manager, run, "files/")
    for name in ("metrics.json", "model.zip", "run.zip"):
        assert f'href="{RUNS}{run.pk}/files/{name}"' in page
    one = client.get(f"{RUNS}{run.pk}/files/metrics.json")
    assert b"".join(one.streaming_content) == (folder.path / "metrics.json").read_bytes()
    assert f'filename="run-{run.pk}-metrics.json"' in one["Content-Disposition"]
    packed = client.get(f"{RUNS}{run.pk}/files/run.zip")
    chunks = list(packed.streaming_content)
    assert max(map(len, chunks)) < 2_000_000  # not all at once
    archive = ZipFile(io.BytesIO(b"".join(chunks)))
    assert archive.testzip() is None
    root = f"run-{run.pk}-run"
    assert set(archive.namelist()) == {
        f"{root}/{name}" for name in (
            "config.json", "evaluations.jsonl", "metrics.json", "metrics.jsonl",
            "model/model.safetensors",
        )
    }  # fmt: skip
    assert archive.read(f"{root}/model/model.safetensors") == b"w" * 3_000_000


def test_the_page_says_how_the_model_is_loaded(run: TrainingRun, manager: Member) -> None:
    folder = process.run_folder(run)
    assert "Load the model" not in get(manager, run, "files/")  # it has none
    folder.model.mkdir()
    folder.write_metrics({"seconds": 1})
    page = html.unescape(get(manager, run, "files/"))
    [code] = re.findall(r'<textarea [^>]*id="loading"[^>]*>([^<]+)</textarea>', page)
    compile(code, "loading", "exec")
    root = f"run-{run.pk}-model"
    # Without it, transformers asks for each of the two on the terminal.
    assert code.count(f'from_pretrained("{root}", trust_remote_code=True)') == 2
    run.config |= {"backbone": "pretrained"}
    run.save()
    assert "trust_remote_code" not in get(manager, run, "files/")


@pytest.mark.parametrize(
    "name",
    ["lock", "secret", "../7-abc/config.json", "..%2fx", "model", "nothing.json", "model.zip"],
)
def test_no_other_file_is_sent(run: TrainingRun, manager: Member, name: str) -> None:
    folder = process.run_folder(run).path
    (folder / "lock").write_text("1")
    (folder / "secret").symlink_to("/etc/hostname")
    (folder / "report.md").symlink_to("/etc/hostname")
    client = sign_in(manager)
    assert client.get(f"{RUNS}{run.pk}/files/{name}").status_code == 404
    assert client.get(f"{RUNS}{run.pk}/files/report.md").status_code == 404


def test_only_managers_download_and_only_when_the_run_has_ended(
    run: TrainingRun, manager: Member, reviewer: Member, labeller: Member, outsider: User
) -> None:
    url = f"{RUNS}{run.pk}/files/config.json"
    assert "config.json" in get(reviewer, run, "files/")
    assert f'href="{url}"' not in get(reviewer, run, "files/")
    assert sign_in(reviewer).get(url).status_code == 403
    assert sign_in(labeller).get(url).status_code == 403
    assert sign_in(outsider).get(url).status_code == 404
    assert sign_in(manager).get(url).status_code == 200
    TrainingRun.objects.update(state=State.RUNNING, finished_at=None, heartbeat_at=timezone.now())
    assert sign_in(manager).get(url).status_code == 404


def test_files_that_go_while_a_run_is_at_work_are_passed_over(run: TrainingRun) -> None:
    folder = process.run_folder(run)
    for number in range(3):
        (folder.checkpoints / f"step-{number}").mkdir(parents=True)
        (folder.checkpoints / f"step-{number}" / "weights").write_bytes(b"w")
    found = run_files.files_below(folder.path)
    first = next(found)
    shutil.rmtree(folder.checkpoints)
    (folder.path / "metrics.jsonl").unlink()
    paths = [first, *found]
    assert folder.path / "metrics.jsonl" in paths
    assert sum(map(run_files.bytes_of, paths)) == sum(
        path.stat().st_size for path in folder.path.iterdir()
    )
