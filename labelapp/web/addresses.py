"""The page that a form was sent from, to return to it."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme, urlencode


def sent_from(request: HttpRequest) -> str:
    """Return the page of this application that a form's field `back` names, or ""."""
    address = request.POST.get("back", "")
    is_here = address.startswith("/") and url_has_allowed_host_and_scheme(address, None)
    return address if is_here else ""


def with_query(address: str, query: dict[str, str]) -> str:
    """Return an address with these values added to its query string."""
    if not query:
        return address
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
