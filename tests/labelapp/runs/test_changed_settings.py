"""The settings of a run that differ from the defaults, in words."""

from labelapp.runs.changed_settings import in_words
from training.config import TrainConfig


def test_changed_settings_are_those_with_an_effect() -> None:
    pretrained = TrainConfig(
        backbone="pretrained", model="/a/b/c", lora_rank=16, device="cpu"
    ).to_json()
    assert in_words(pretrained) == ["backbone pretrained", "pretrained model b/c", "LoRA rank 16"]
    assert in_words(TrainConfig().to_json()) == []
    assert in_words({"verdicts": "majority"}) == ["aggregation majority"]
    assert in_words(TrainConfig(optimizer="sgd").to_json()) == ["optimiser sgd"]
    assert in_words({"backbone": "gone", "epochs": 3}) == ["backbone gone", "epochs 3"]
