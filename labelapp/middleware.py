"""What stands between every request and its view."""

from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class BusyDatabaseMiddleware:
    """Says in words that SQLite was busy for longer than a request waits: a large import, say."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError) and "database is locked" in str(error):
            response = render(request, "503.html", status=503)
            response["Retry-After"] = "30"
            return response
        return None
