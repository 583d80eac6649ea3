"""Find a pretrained model in a folder, on the Hugging Face hub, or in the hub's cache."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import model_info, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from training.errors import UserError
from training.sentences import sentence

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
HUB_SECONDS = 10
HINT = sentence("choose another --model, such as a folder, or another --backbone")


def is_local(name: str) -> bool:
    """Return True if the files of a model, given by folder or name, are on this machine.

    The hub is asked once, because transformers retries for most of a minute without a network.
    Raises UserError if the model is not found, or if its weights are pickles only.
    """
    folder = Path(name)
    if folder.is_dir():
        refuse_pickles(name, [path.name for path in folder.iterdir()])
        return True
    try:
        files = [file.rfilename for file in model_info(name, timeout=HUB_SECONDS).siblings or []]
    except HFValidationError as error:  # the name looks like a path
        raise UserError(
            sentence("model folder %(name)s does not exist; %(hint)s", name=name, hint=HINT)
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            sentence("the Hugging Face hub has no model %(name)s; %(hint)s", name=name, hint=HINT)
        ) from error
    except Exception as error:  # each HTTP library raises its own exceptions
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return True
        raise UserError(
            sentence(
                "model %(name)s is not a folder, and the Hugging Face hub cannot be reached;"
                " %(hint)s",
                name=name,
                hint=HINT,
            )
        ) from error
    refuse_pickles(name, files)
    return False


def refuse_pickles(name: str, files: list[str]) -> None:
    """Raise UserError if a model's weights are pickles only.

    A pickle can run code when it is loaded.
    """
    kinds = {Path(file).suffix for file in files}
    if ".safetensors" not in kinds and kinds & PICKLES:
        raise UserError(
            sentence(
                "model %(name)s has its weights as pickles only, which can run code;"
                " save it as safetensors",
                name=name,
            )
        )
