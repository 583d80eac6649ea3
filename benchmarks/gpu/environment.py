"""Say what the machine is and has."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess

import torch

from benchmarks.measuring import send
from benchmarks.training import call_seconds
from training.config import TrainConfig
from training.distributed.device import Device

PACKAGES = (
    *("torch", "triton", "transformers", "accelerate", "peft", "pyarrow", "SQLAlchemy", "trl"),
    *("uvicorn", "starlette"),
)
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def environment(arguments: argparse.Namespace) -> None:
    device = Device.choose(TrainConfig(device=arguments.device, precision=arguments.precision))
    facts = {
        "device": device.describe(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "C compiler": shutil.which("cc") or shutil.which("gcc") or "missing",
        **{name: version(name) for name in PACKAGES},
        "carried": ", ".join(carried()),
    }
    if arguments.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {
            "driver": driver(),
            "CUDA": torch.version.cuda,
            "compute capability": f"{properties.major}.{properties.minor}",
            "GPU memory": f"{properties.total_memory / 2**30:.1f} GiB",
        }
    for dtype in DTYPES:
        facts[f"matrix product in {dtype}"] = support(dtype, arguments)
    for name, value in facts.items():
        send({"name": name, "value": value})


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def carried() -> list[str]:
    """Return the packages that gpu.sh installed from wheels."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return sorted(
        f"{found.name} {found.version}" for found in importlib.metadata.distributions(path=path)
    )


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"unknown: {error}"


def support(dtype: torch.dtype, arguments: argparse.Namespace) -> str:
    """Return the speed of a large matrix product, or why there is none."""
    size = 8192 if arguments.device == "cuda" else 512
    try:
        one = torch.randn(size, size, device=arguments.device).to(dtype)
        taken = call_seconds(torch.matmul, one, one, arguments)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return f"{2 * size**3 / taken / 1e12:.3g} TFLOP/s"
