"""Pass requests on to TensorBoard, which `serve` runs beside the pages."""

from collections.abc import Iterator

import httpx
from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _

SECONDS = 30.0
SENT = ("accept", "accept-encoding", "content-type", "if-none-match", "range")
"""Headers of a request that TensorBoard gets. Cookies are none of its business."""
RETURNED = (
    *("cache-control", "content-encoding", "content-length", "content-range", "content-type"),
    *("content-security-policy", "etag", "expires"),
)


class NotRunningError(Exception):
    """Raised where TensorBoard does not answer; the message says what to do."""


def answer(request: HttpRequest, path: str) -> StreamingHttpResponse:
    """Return TensorBoard's answer to a request. Raises NotRunningError."""
    if not settings.TENSORBOARD_URL:
        raise NotRunningError(
            _("TensorBoard is not running. manage.py serve starts it where it is installed.")
        )
    client = httpx.Client(timeout=SECONDS, trust_env=False)  # no proxy on the way to this machine
    asked = client.build_request(
        str(request.method),
        f"{settings.TENSORBOARD_URL}/{path}",
        params=request.GET.urlencode(),
        content=request.body,
        # httpx would ask for a compressed answer where the browser did not.
        headers={"accept-encoding": "identity"}
        | {name: request.headers[name] for name in SENT if name in request.headers},
    )
    try:
        found = client.send(asked, stream=True)
    except httpx.HTTPError as error:
        client.close()
        raise NotRunningError(
            _("TensorBoard does not answer. It may be starting: try again in a few seconds.")
        ) from error
    response = StreamingHttpResponse(parts(client, found), status=found.status_code)
    for name in RETURNED:
        if name in found.headers:
            response.headers[name] = found.headers[name]
    return response


def parts(client: httpx.Client, found: httpx.Response) -> Iterator[bytes]:
    """Yield the parts of an answer as TensorBoard sent them, compressed ones too."""
    try:
        yield from found.iter_raw()
    finally:
        found.close()
        client.close()
