"""ASGI entry point, for those who serve Podium with an ASGI server."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")

application = get_asgi_application()
