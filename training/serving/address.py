"""The address and the tokens of the reward service. No slow imports."""

from __future__ import annotations

import ipaddress
import os

from training.errors import UserError

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
