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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

TIMEOUT = 10  # seconds for a whole post, however slowly the other side answers
PREFIX = "whsec_"
PORTS = {"http": 80, "https": 443}
NAT64 = IPv6Network("64:ff9b::/96")
# Of IPv4 addresses inside IPv6 ones that a gateway of this network, or none, may know.
REFUSED = [IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96")]


class PostError(Exception):
    """The post failed. Says why in the active language, and nothing of what was answered.

    `sentence` is in English, for the database, with its `values` apart.
    """

    def __init__(self, sentence: str, **values: str | int) -> None:
        super().__init__(sentence)
        self.sentence, self.values = sentence, values

    def __str__(self) -> str:
        return said(self.sentence, self.values)


def said(sentence: str, values: Mapping[str, Any]) -> str:
    """Return a problem that is stored in English in the active language."""
    translated = gettext(sentence) if sentence else ""
    return translated % values if values else translated


class Guarded(HTTPConnection):
    """A connection to public addresses alone that is cut off when its time is over.

    It resolves the name once, so that the addresses that are checked are those that it opens.
    """

    line: socket.socket | None = None  # under the encryption, if there is one
    is_cut = False

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [(str(address[0]), self.port) for *__, address in found]
        # Before connecting, so that not even a closed port of this network can be told from an
        # open one.
        for address, __ in addresses:
            refuse_private(address)
        self.sock = self.open_first(addresses)
        self.line = self.sock.dup()
        if self.is_cut:  # before there was anything to cut
            raise TimeoutError

    def open_first(self, addresses: Sequence[tuple[str, int]]) -> socket.socket:
        """Return a connection to the first address that answers while there is time."""
        ends = time.monotonic() + (self.timeout or TIMEOUT)
        for number, address in enumerate(addresses, start=1):
            left = ends - time.monotonic()
            try:
                return socket.create_connection(address, timeout=max(0.1, left))
            except OSError:
                if number == len(addresses) or time.monotonic() >= ends:
                    raise
        raise OSError

    def cut(self) -> None:
        """End the connection, whatever it waits for. Another thread calls this."""
        self.is_cut = True
        if self.line is not None:
            with suppress(OSError):  # it has ended already
                self.line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self.line is not None:
            self.line.close()


class GuardedTls(HTTPSConnection, Guarded):
    """Connect as Guarded does, and encrypt the connection with TLS."""


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
    refused = False
    if isinstance(found, IPv6Address):
        refused = any(found in network for network in REFUSED)
        if found in NAT64:  # a gateway would post to the IPv4 address in it
            found = ip_address(found.packed[-4:])
        else:
            found = found.ipv4_mapped or found.sixtofour or found
    refused = refused or not found.is_global or found.is_multicast
    if refused and not settings.WEBHOOKS_TO_PRIVATE_ADDRESSES:
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
    timer = Timer(TIMEOUT, connection.cut)
    timer.start()
    try:
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
        if connection.is_cut:
            raise TimeoutError
    except socket.gaierror as error:
        raise PostError(_("The name %(host)s is not known."), host=host) from error
    except (OSError, HTTPException, UnicodeError) as error:
        name = "TimeoutError" if connection.is_cut else type(error).__name__
        raise PostError(
            _("%(host)s does not answer (%(error)s)."), host=host, error=name
        ) from error
    finally:
        timer.cancel()
        connection.close()
    if not 200 <= status < 300:
        raise PostError(_("%(host)s answered %(status)s."), host=host, status=status)
