"""The settings of the computation."""
# ruff: noqa: RUF009 - machine_setting() makes a dataclass field; nothing is shared between instances

from dataclasses import dataclass
from functools import partial
from typing import Literal

from training.config.setting import BY_STEPS, PRETRAINED, SWITCH_WORDS, Switch, setting

LayoutChoice = Literal["auto", "shared", "padded"]
AttentionChoice = Literal["auto", "blocks", "flex", "dense"]
Sharding = Literal["ddp", "fsdp"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bf16"]

machine_setting = partial(setting, group="machine")


@dataclass(frozen=True)
class MachineSettings:
    """The settings of the computation, which do not change a run's result."""

    layout: LayoutChoice = machine_setting(
        "auto",
        "compute a prompt once per ranking (shared) or once per response (padded)",
        words={
            "auto": "Automatic",
            "shared": "Shared: a prompt once per ranking",
            "padded": "Padded: a prompt once per response",
        },
        used_by=BY_STEPS,
    )
    attention: AttentionChoice = machine_setting(
        "auto",
        "attention of the shared layout; auto is the fastest on the device",
        words={
            "auto": "Automatic: the fastest",
            "blocks": "Blocks",
            "flex": "Flex",
            "dense": "Dense",
        },
        used_by=BY_STEPS,
    )
    gradient_checkpointing: Switch = machine_setting(
        "off",
        "gradient checkpointing for a pretrained model, to save memory",
        words=SWITCH_WORDS,
        used_by=PRETRAINED,
    )
    sharding: Sharding = machine_setting(
        "ddp",
        "with several processes, a whole model in each (ddp) or a shard of it (fsdp)",
        words={
            "ddp": "A whole model in each process (DDP)",
            "fsdp": "A shard in each process (FSDP)",
        },
        used_by=PRETRAINED,
    )
    checkpoint_minutes: float = machine_setting(
        10.0,
        "minutes between checkpoints; 0 writes none",
        label="minutes between checkpoints",
        used_by=BY_STEPS,
        least=0,
    )
    tokens_per_batch: int = machine_setting(
        None,
        "tokens in one forward pass, padding included; 0 is 16384 on cuda and 3072 on a cpu",
        least=0,
    )
    device: DeviceChoice = machine_setting(
        "auto",
        "device; auto is cuda if there is one",
        words={"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)"},
    )
    precision: Precision = machine_setting(
        "auto",
        "precision; auto is bf16 on cuda and float32 on a cpu",
        words={"auto": "Automatic", "float32": "float32", "bf16": "bfloat16"},
    )
    log_every: int = machine_setting(
        1,
        "steps between log entries",
        label="steps between log entries",
        used_by=BY_STEPS,
        least=1,
    )
