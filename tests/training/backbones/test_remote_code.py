"""Code that comes with a model is never run and never saved."""

import io
import json
import shutil

import pytest

from training.runs.folder import RunFolder
from training.train import main

EVIL = """
import pathlib
from transformers import {base}
pathlib.Path({mark!r}).write_text("run")
class Evil({base}):
    pass
"""


@pytest.fixture
def mark(tmp_path):
    """Return the path of a file that the code of the model would write."""
    return tmp_path / "mark"


@pytest.fixture
def hostile(gpt2_folder, tmp_path, mark):
    """Return a model folder whose configurations refer to its own code."""
    folder = tmp_path / "hostile"
    shutil.copytree(gpt2_folder, folder)
    for name, base in (("modeling", "GPT2ForSequenceClassification"), ("config", "GPT2Config")):
        (folder / f"{name}.py").write_text(EVIL.format(base=base, mark=str(mark)))
    (folder / "tokenization.py").write_text(
        EVIL.format(base="PreTrainedTokenizerFast", mark=str(mark))
    )
    add(folder / "config.json", {
        "AutoConfig": f"{folder}--config.Evil",
        "AutoModelForSequenceClassification": f"{folder}--modeling.Evil",
    })  # fmt: skip
    add(folder / "tokenizer_config.json", {"AutoTokenizer": [None, f"{folder}--tokenization.Evil"]})
    return folder


def add(path, auto_map):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": auto_map}))


def test_the_code_of_a_hostile_model_folder_is_not_run_or_saved(
    hostile, mark, rankings_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody answers yes to running code
    folder = RunFolder(tmp_path / "run")
    arguments = (
        f"--rankings {rankings_file} --run-folder {folder.path} --backbone pretrained"
        f" --model {hostile} --max-prompt-tokens 64 --max-response-tokens 64"
    )
    assert main(arguments.split()) == 0
    assert not mark.exists()
    for name in ("config.json", "tokenizer_config.json"):
        assert "auto_map" not in json.loads((folder.model / name).read_text())
