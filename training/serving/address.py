"""The address, the tokens and the database of the reward service. No slow imports."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import quote

from training.errors import UserError

CHAMPION = "champion"
ALIASES = (CHAMPION, "challenger")
"""The aliases of a registry."""
TOKENS = "REWARD_SERVER_TOKEN"
"""Environment variable with the tokens, separated by commas."""


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of HOST:PORT. Raises UserError."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"--bind {text} is not HOST:PORT, such as 127.0.0.1:8010")
    return host, int(port)


def is_own(host: str) -> bool:
    """Return True if only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tokens() -> list[str]:
    """Return the tokens in the environment."""
    return [token.strip() for token in os.environ.get(TOKENS, "").split(",") if token.strip()]


def data_dir() -> Path:
    """Return the folder with the runs' folders: DATA_DIR, as the web application has it."""
    return Path(os.environ.get("DATA_DIR") or "var")


def run_folder(data_dir: Path, folder: str) -> Path:
    """Return the folder of a run, of which the database has "runs/" and its name.

    It is below RUNS_DIR if several machines share that, or below `data_dir`.
    """
    shared = os.environ.get("RUNS_DIR")
    return Path(shared, folder.removeprefix("runs/")) if shared else data_dir / folder


def database_url() -> str:
    """Return DATABASE_URL, or that of the web application's own database in DATA_DIR."""
    own = quote(str(data_dir() / "podium.sqlite3"))
    return os.environ.get("DATABASE_URL") or f"sqlite:///{own}"
