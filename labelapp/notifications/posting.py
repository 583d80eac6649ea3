"""Post signed JSON to an address that somebody has entered, but never to this network.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com), for which libraries
exist in most languages.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

TIMEOUT = 10  # seconds
PREFIX = "whsec_"
PORTS = {"http": 80, "https": 443}
NAT64 = IPv6Network("64:ff9b::/96")


class PostError(Exception):
    """The post failed; the message says why, but nothing of what the other side answered."""


class Guarded(HTTPConnection):
    """A connection that closes before it sends anything, unless its address is public."""

    def connect(self) -> None:
        super().connect()
        refuse_private(self.sock.getpeername()[0])


class GuardedTls(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        refuse_private(self.sock.getpeername()[0])


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, identifier: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body, as the header webhook-signature has it."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{identifier}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def check_address(url: str) -> None:
    """Raise PostError for an address that is never posted to. Looks up no name."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PostError(_("The address cannot be read.")) from error
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise PostError(_("The address has to begin with https:// or http://."))
    if parts.username is not None or parts.password is not None:
        raise PostError(_("The address must not have a name or a password in it."))
    if not url.isascii() or any(character.isspace() for character in url):
        raise PostError(_("The address has characters that an address cannot have."))
    try:
        ip_address(parts.hostname)
    except ValueError:
        return
    refuse_private(parts.hostname)


def refuse_private(address: str) -> None:
    """Raise PostError for an address of this machine or network, unless the settings allow it."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found in NAT64:  # a gateway would post to the IPv4 address in it
            found = ip_address(found.packed[-4:])
        else:
            found = found.ipv4_mapped or found.sixtofour or found
    if not settings.WEBHOOKS_TO_PRIVATE_ADDRESSES and (not found.is_global or found.is_multicast):
        raise PostError(_("The address leads to a private network, which is not allowed."))


def post(url: str, secret: str, identifier: str, content: Mapping[str, Any]) -> None:
    """Post JSON, signed. Raises PostError unless it is answered with 2xx. Follows no redirect."""
    check_address(url)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    body = json.dumps(content, ensure_ascii=False).encode()
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Podium",
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, identifier, timestamp, body),
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = GuardedTls if parts.scheme == "https" else Guarded
    connection = kind(host, port, timeout=TIMEOUT)
    try:
        # Before connecting, so that not even a closed port of this network can be told from an
        # open one; connect() looks again at what the name has led to.
        for *__, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            refuse_private(str(address[0]))
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    except socket.gaierror as error:
        raise PostError(_("The name %(host)s is not known.") % {"host": host}) from error
    except (OSError, HTTPException, UnicodeError) as error:
        raise PostError(
            _("%(host)s does not answer (%(error)s).")
            % {"host": host, "error": type(error).__name__}
        ) from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise PostError(_("%(host)s answered %(status)s.") % {"host": host, "status": status})
