"""Where a pretrained model's files are: in a folder, on the Hugging Face hub, or in its cache."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import model_info, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from training.errors import UserError

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
HUB_SECONDS = 10
WHAT_TO_DO = "give a folder with --model, or use --backbone transformer"


def is_local(name: str) -> bool:
    """Whether the files of a model, given by folder or name, are on this machine.

    Asks the hub once, because transformers asks for most of a minute where there is no network.
    Raises UserError for a model that is nowhere, and for one that has pickles only.
    """
    folder = Path(name)
    if folder.is_dir():
        refuse_pickles(name, [path.name for path in folder.iterdir()])
        return True
    try:
        files = [file.rfilename for file in model_info(name, timeout=HUB_SECONDS).siblings or []]
    except HFValidationError as error:  # a path, by its form
        raise UserError(f"model folder {name} does not exist; {WHAT_TO_DO}") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"the Hugging Face hub has no model {name}; {WHAT_TO_DO}") from error
    except Exception as error:  # whatever carries HTTP has kinds of its own
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return True
        raise UserError(
            f"model {name} is no folder, and the Hugging Face hub cannot be reached; {WHAT_TO_DO}"
        ) from error
    refuse_pickles(name, files)
    return False


def refuse_pickles(name: str, files: list[str]) -> None:
    """A pickle runs code when it is opened. Raises UserError where there is nothing else."""
    kinds = {Path(file).suffix for file in files}
    if ".safetensors" not in kinds and kinds & PICKLES:
        raise UserError(
            f"model {name} has its weights as pickles only, which can run code;"
            " save it as safetensors"
        )
