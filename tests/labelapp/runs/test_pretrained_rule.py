"""The rough estimate for a pretrained model, by what its folder says of its size."""

import json
from pathlib import Path
from typing import Any

import pytest

from labelapp.models import Member, Project, Prompt
from labelapp.runs.starting.data_counts import DataCounts
from labelapp.runs.starting.estimate import SMALL_MODEL_BYTES, estimate, planned
from labelapp.runs.starting.model_size import ModelSize, model_size
from labelapp.runs.starting.pretrained_rule import needed_bytes, seconds_on_one_core
from labelapp.templatetags.figures import memory
from tests.conftest import sign_in
from tests.labelapp.runs.tiny import URL
from training.config import TrainConfig

CONFIG = {"num_hidden_layers": 4, "hidden_size": 1000, "vocab_size": 30_000}
BODY = {"model.embed.weight": [30_000, 1000], "model.layers.0.weight": [70_000, 1000]}
SIZE = ModelSize(100_000_000, layers=4, width=1000, vocabulary=30_000)


def save(folder: Path, tensors: dict[str, list[int]], name: str = "model.safetensors") -> None:
    """Write the header of a safetensors file, whose weights are left out."""
    named = {key: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
             for key, shape in tensors.items()}  # fmt: skip
    header = json.dumps({"__metadata__": {"format": "pt"}, **named}).encode()
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in two files, with a head that a reward model does not have."""
    folder = tmp_path / "model"
    embedding, layer = BODY.items()
    save(folder, dict([embedding]), "model-00001-of-00002.safetensors")
    save(folder, dict([layer]) | {"lm_head.weight": [9, 9]}, "model-00002-of-00002.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def test_the_size_is_read_from_the_headers(model: Path) -> None:
    assert model_size(str(model)) == SIZE
    assert SIZE.computed == 70_000_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{}"),
        ("config.json", b"["),
        ("config.json", b"\xff"),
        ("model-00001-of-00002.safetensors", b""),
        ("model-00001-of-00002.safetensors", b"\xff" * 8 + b"{}"),
    ],
)
def test_a_folder_that_cannot_be_read_has_no_size(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    assert model_size(str(model)) is None


def test_a_model_of_the_hub_and_an_empty_folder_have_no_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert [model_size(each) for each in ("", "maker/model", str(tmp_path))] == [None] * 3


@pytest.mark.parametrize(
    ("given", "operations", "trained"),
    [
        ({"lora_rank": 0}, 6, 100e6),
        ({"lora_rank": 16}, 4, 0),
        ({"freeze": "all"}, 2, 0),
        ({"freeze": "1"}, 2 + 4 / 4, 70e6 / 4),
        ({"lora_rank": 0, "gradient_checkpointing": "on"}, 8, 100e6),
        ({"backbone": "embedding"}, 0, 0),
    ],
)
def test_what_is_trained_decides_the_time_and_the_memory(
    given: dict[str, Any], operations: float, trained: float
) -> None:
    config = TrainConfig(**{"backbone": "pretrained", "model": "m", "tokens_per_batch": 1} | given)
    seconds = seconds_on_one_core(SIZE, config, tokens=1e6, passes=3)
    assert seconds == pytest.approx((3 * operations + 2) * 70e6 * 1e6 / 5e10)  # 2 for the scores
    one_token = 4 * 68 * 1000
    taken = needed_bytes(SIZE, config) - 4 * 100e6 - 12 * trained
    assert one_token / 4 <= taken <= one_token


def test_a_large_model_learns_with_lora() -> None:
    large = ModelSize(2 * 10**9, 24, 2048, 50_000)
    config = TrainConfig(backbone="pretrained", model="m")
    assert needed_bytes(large, config) < 12 * large.parameters


@pytest.mark.django_db
def test_the_estimate_is_called_rough(project: Project, model: Path) -> None:
    config = TrainConfig(backbone="pretrained", model=str(model), epochs=1)
    found = estimate(project, config, DataCounts(400, 100, 3))
    assert found.time.startswith("Very roughly 20 seconds on one core of a CPU")  # it reads nothing
    assert "100,000,000 parameters" in found.time
    size = memory(SMALL_MODEL_BYTES + needed_bytes(SIZE, config))
    assert found.memory.startswith(f"Very roughly {size} of memory")
    assert found.seconds is None  # a grid adds up no rough times


def test_the_epochs_that_the_rankings_decide_are_counted() -> None:
    open_config = TrainConfig(backbone="pretrained", model="maker/model")
    values = planned(open_config, DataCounts(rankings=219, prompts=73, labellers=3))
    assert (values["epochs"], values["rankings_per_step"]) == (9, 8)
    assert planned(open_config, DataCounts(9_000, 3_000, 3))["epochs"] == 2
    given = TrainConfig(backbone="pretrained", model="maker/model", epochs=1)
    assert planned(given, DataCounts(219, 73, 3))["epochs"] == 1


@pytest.mark.django_db
def test_a_reward_model_as_a_feature_is_estimated_by_its_size(
    project: Project, model: Path
) -> None:
    config = TrainConfig(reward_feature=str(model))
    found = estimate(project, config, DataCounts(3, 3, 1))
    assert found.time.startswith("Very roughly")
    assert found.memory.startswith("Very roughly")
    assert needed_bytes(SIZE, config) < 12 * SIZE.parameters  # nothing of it is trained
    gone = estimate(project, TrainConfig(reward_feature="maker/model"), DataCounts(3, 3, 1))
    assert gone.time.startswith("Not known yet")


@pytest.mark.django_db
def test_the_form_shows_it(
    model: Path, ranked: list[Prompt], manager: Member, settings: Any
) -> None:
    settings.MODELS_DIR = model.parent
    query = {"backbone": "pretrained", "model": str(model), "aggregation": "all"}
    page = sign_in(manager).get(f"{URL}new/estimate/", query).content.decode()
    assert "Very roughly" in page
    assert "100,000,000 parameters" in page
    assert "An estimate for the machine that trains." in page
