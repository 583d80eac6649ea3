"""WSGI entry point, for gunicorn."""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")

application = get_wsgi_application()

# Who writes shall not wait long for threads that compute: all others wait for who writes.
sys.setswitchinterval(0.0005)
