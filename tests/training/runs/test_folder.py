"""A run's folder is read while it is being written."""

import json

import pytest

from training.config import TrainConfig
from training.runs.folder import Progress, RunFolder, ScoredResponse
from training.sentences import Sentence, sentence


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "1")
    folder.start()
    return folder


def test_an_absent_folder_reads_as_nothing(tmp_path):
    folder = RunFolder(tmp_path / "nowhere")
    assert folder.read_config() is None
    assert folder.read_manifest() is None
    assert folder.read_metrics() is None
    assert folder.read_progress() is None
    assert folder.held_out_prompts() is None
    assert folder.metric_lines() == []
    assert list(folder.iter_scores()) == []


def test_what_is_written_is_read(folder):
    folder.write_config(TrainConfig(seed=3))
    folder.write_manifest({"rankings": 4})
    folder.write_metrics({"steps": 5})
    folder.write_held_out([7, "abc"])
    folder.write_progress(Progress("training", step=2, steps=9, loss=0.5))
    assert folder.read_config() == TrainConfig(seed=3)
    assert folder.read_manifest() == {"rankings": 4}
    assert folder.read_metrics() == {"steps": 5}
    assert folder.held_out_prompts() == [7, "abc"]
    progress = folder.read_progress()
    assert (progress.state, progress.step, progress.steps, progress.loss) == ("training", 2, 9, 0.5)
    assert progress.updated.endswith("+00:00")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"state": "asleep"}', "\udc80"])
def test_a_half_written_file_reads_as_none(folder, content):
    for name in ("progress.json", "config.json"):
        (folder.path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert folder.read_progress() is None
    assert folder.read_config() is None


def test_progress_of_a_later_version_is_read(folder):
    (folder.path / "progress.json").write_text('{"state": "done", "eta": 3}')
    assert folder.read_progress() == Progress("done")


def test_the_reason_of_a_failure_is_a_text_and_what_it_was_made_of(folder):
    folder.write_progress(Progress("failed", reason=sentence("step %(step)s", step=1200)))
    stored = json.loads((folder.path / "progress.json").read_text())
    assert stored["reason"] == "step 1,200"
    assert isinstance(folder.read_progress().reason, Sentence)
    for odd in ({"template": "%(step)s", "values": {}}, {}, None, 7):
        text = json.dumps({"state": "failed", "reason": "old", "reason_sentence": odd})
        (folder.path / "progress.json").write_text(text)
        assert folder.read_progress().reason == "old"


def test_numbers_that_json_cannot_hold_become_null(folder):
    folder.write_metrics({"held_out": {"loss": float("nan"), "more": [float("inf"), 1.0]}})
    text = (folder.path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["held_out"] == {
        "loss": None,
        "more": [None, 1.0],
    }


def test_metric_lines_are_read_back(folder):
    for step in (1, 2, 3):
        folder.append_metric_line({"step": step, "loss": float("nan")})
    assert folder.metric_lines() == [{"step": step, "loss": None} for step in (1, 2, 3)]


def test_a_line_being_written_is_left_for_later(folder):
    folder.append_metric_line({"step": 1})
    with open(folder.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 2}')
    assert folder.metric_lines() == [{"step": 1}]


def test_scores_are_all_there_or_not_at_all(folder):
    found = [ScoredResponse(1, 0.5), ScoredResponse(2, -1.0, same_as=1)]
    assert folder.write_scores(found) == 2

    def breaks_off():
        yield ScoredResponse(1, 9.0)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        folder.write_scores(breaks_off())
    assert list(folder.iter_scores()) == found


def test_a_model_is_in_place_only_when_whole(folder):
    def breaks_off():
        with folder.new_model() as path:
            (path / "weights").write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        breaks_off()
    assert not folder.model.exists()
    with folder.new_model() as path:
        (path / "weights").write_text("whole")
    assert (folder.model / "weights").read_text() == "whole"
    assert {item.name for item in folder.path.iterdir()} == {"lock", "model"}


@pytest.mark.parametrize(
    "name", ["config.json", "model/weights", "tensorboard/events", "scores.jsonl", "video.part"]
)
def test_a_folder_of_something_else_is_left_alone(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"model_type": "gpt2"}')
    with pytest.raises(FileExistsError, match="something that is not a training run"):
        RunFolder(tmp_path).start()
    assert path.read_text() == '{"model_type": "gpt2"}'


def test_other_files_in_the_folder_stay(folder):
    (folder.path / "log.txt").write_text("hello")
    folder.write_config(TrainConfig())
    folder.start()
    assert {path.name for path in folder.path.iterdir()} == {"lock", "log.txt"}


def test_what_a_killed_run_was_writing_is_no_stranger_and_goes(folder):
    (folder.path / "progress.json.123.part").write_text("{")
    (folder.path / "model.part").mkdir()
    folder.start()
    assert [item.name for item in folder.path.iterdir()] == ["lock"]


def test_a_new_run_takes_away_what_the_old_one_left(folder):
    folder.write_config(TrainConfig())
    folder.write_metrics({"steps": 5})
    folder.write_scores([ScoredResponse(1, 0.5)])
    folder.start()
    assert [item.name for item in folder.path.iterdir()] == ["lock"]


def test_lines_are_read_up_to_the_first_that_is_none(tmp_path):
    run = RunFolder(tmp_path)
    assert run.metric_lines() == []
    for end, whole in (('{"step": 3, "lo', 2), ("[1]\n", 2), ('{"step": 3}\n', 3), ("no\n{}\n", 2)):
        run.path.joinpath("metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n' + end)
        assert [line["step"] for line in run.metric_lines()] == list(range(1, whole + 1))
