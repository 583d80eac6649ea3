"""Middleware: the language of translated pages, and an answer to faults of the machine."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django_htmx.middleware import HtmxDetails

from labelapp.web.faults import fault_response

View = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """A request with the attributes that middleware sets."""

    htmx: HtmxDetails
    translated: bool


def translated(view: View) -> View:
    """Mark a view whose page is available in every language; other pages are in English."""
    view.translated = True  # type: ignore[attr-defined]
    return view


def only_complete(request: PageRequest) -> None:
    """Go on in English where the language is only one of a labeller's pages, and this is another.

    For views that show labellers and managers different pages under one address.
    """
    if request.LANGUAGE_CODE not in settings.COMPLETE_LANGUAGES:
        request.translated = False
        translation.activate(settings.LANGUAGE_CODE)


class LanguageMiddleware(LocaleMiddleware):
    """Activate the user's language, but only for translated views."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        # English until process_view, which is not called for a URL that matches no view.
        translation.activate(settings.LANGUAGE_CODE)

    def process_view(self, request: PageRequest, view: View, args: Any, kwargs: Any) -> None:
        request.translated = getattr(view, "translated", False)
        if request.translated:
            translation.activate(request.LANGUAGE_CODE)


class FaultMiddleware:
    """Return a 503 page if a view fails because of the machine: see faults.py."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return fault_response(request, error)
