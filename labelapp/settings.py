"""Django settings, read from environment variables. docs/configuration.md lists them.

An invalid value ends the program with a one-line message. The defaults are secure: DEBUG is off,
the secret key is generated on the first start, and only this machine can connect until
ALLOWED_HOSTS allows others.
"""

import logging
import os
import secrets
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import dj_database_url
from csp.constants import NONE, SELF

BASE_DIR = Path(__file__).resolve().parent.parent


def stop(message: str) -> NoReturn:
    sys.exit(f"podium: {message}")


def switch(name: str) -> bool:
    """Return the value of an on/off variable, which is off by default."""
    value = os.environ.get(name, "").strip().lower()
    if value in ("", "0", "off", "false", "no"):
        return False
    if value in ("1", "on", "true", "yes"):
        return True
    stop(f"{name}={value!r} is neither on nor off; use {name}=on or leave it unset")


def words(name: str, default: str = "") -> list[str]:
    """Return the values of a comma-separated variable."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def whole_number(name: str, default: int, least: int = 1) -> int:
    """Return the value of an integer variable that is at least `least`."""
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        stop(f"{name}={text!r} is not a whole number of {least} or more")
    return int(text)


def without_traceback(record: logging.LogRecord) -> bool:
    """Have a log record take one line."""
    record.exc_info = None
    return True


def made(name: str, path: Path) -> Path:
    """Create the folder of a variable, and return it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"{name}={path} cannot be created: {error.strerror}")
    return path


def secret_key(folder: Path) -> str:
    """Return SECRET_KEY, or the key that the first start generates in DATA_DIR (mode 0600)."""
    if key := os.environ.get("SECRET_KEY"):
        if len(key) < 32:
            stop("SECRET_KEY is shorter than 32 characters; use a long random value")
        return key
    path = folder / "secret_key"
    try:
        if not path.exists():
            # mkstemp creates files with mode 0600. The link makes the complete key appear at once;
            # if several processes start together, all use the first key.
            handle, new = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(64))
            with suppress(FileExistsError):
                os.link(new, path)
            os.unlink(new)
        key = path.read_text().strip()
    except OSError as error:
        stop(f"no SECRET_KEY, and {path} cannot be created or read: {error.strerror}")
    if not key:
        stop(f"{path} is empty; delete it and start again")
    return key


# Prepared statements save PostgreSQL half of its work. Poolers that share connections between
# transactions (PgBouncer before 1.21) do not support them.
PREPARED = {"server_side_binding": True, "prepare_threshold": 2}
CONNECT_SECONDS = 5  # after which PostgreSQL counts as away; no page hangs for minutes


def database(folder: Path) -> dict[str, object]:
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{quote(str(folder / 'podium.sqlite3'))}"
    if not url.startswith(("sqlite:///", "postgres://", "postgresql://")):
        stop("DATABASE_URL must begin with sqlite:///, postgres:// or postgresql://")
    try:
        config: dict[str, object] = dict(dj_database_url.parse(url, conn_health_checks=True))
    except ValueError:
        stop("DATABASE_URL cannot be read; its form is postgres://user:password@host:port/name")
    if config["NAME"] in ("", ":memory:"):
        stop("DATABASE_URL names no database; its form is sqlite:////folder/podium.sqlite3")
    if url.startswith("sqlite"):
        config["OPTIONS"] = {
            # A transaction takes the write lock at its start, so that it cannot fail half-way
            # because of another writer. The timeout makes it wait for the lock; web processes
            # wait for less (labelapp/db/writer.py).
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # Readers never wait for a writer. With synchronous=FULL, a stored ranking survives a
            # power failure.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        config["TEST"] = {"NAME": str(folder / "test.sqlite3")}  # a file, for subprocesses
    else:
        options = dj_database_url.parse(url).get("OPTIONS") or {}
        prepared = {} if switch("DATABASE_POOLER") else PREPARED
        config["OPTIONS"] = {"connect_timeout": CONNECT_SECONDS, **options, **prepared}
    # A new connection takes a tenth of the time of a page: SQLite reads the schema again.
    config["CONN_MAX_AGE"] = 60
    return config


def runs_dir() -> Path | None:
    """Return the folder of the runs that several machines share, or None: it is in DATA_DIR."""
    if not (given := os.environ.get("RUNS_DIR")):
        return None
    path = Path(given)
    if not path.is_absolute():
        stop(f"RUNS_DIR={path} is not an absolute path; every machine needs the same folder")
    return made("RUNS_DIR", path)


DATA_DIR = made("DATA_DIR", BASE_DIR / (os.environ.get("DATA_DIR") or "var"))
RUNS_DIR = runs_dir()
SECRET_KEY = secret_key(DATA_DIR)
DEBUG = switch("DEBUG")
ALLOWED_HOSTS = words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
HTTPS = switch("HTTPS")
PROXIES = whole_number("PROXIES", 0, least=0)

INSTALLED_APPS = [
    "labelapp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
]

MIDDLEWARE = [
    "labelapp.web.health.HealthMiddleware",  # first: probes have no session, and any Host
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "labelapp.web.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "labelapp.web.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labelapp.web.sessions.IdleSessionMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "labelapp.web.middleware.FaultMiddleware",
    "labelapp.web.signin.TooManyAttemptsMiddleware",
]

ROOT_URLCONF = "labelapp.urls"
WSGI_APPLICATION = "labelapp.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "labelapp.web.navigation.navigation",
            ],
        },
    },
]

# For fragments of pages, in each process, because they are quick to render again.
CACHE = "dummy.DummyCache" if DEBUG else "locmem.LocMemCache"  # templates change in development
CACHES = {
    "default": {
        "BACKEND": f"django.core.cache.backends.{CACHE}",
        "OPTIONS": {"MAX_ENTRIES": 5000},
    }
}

DATABASES = {"default": database(DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Training takes hours, so it has its own queue, and other tasks need not wait for it.
TASKS = {
    "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "training"]}
}

AUTHENTICATION_BACKENDS = [
    "labelapp.web.signin.ThrottledBackend",
    # These keep sessions of earlier versions valid.
    "django.contrib.auth.backends.ModelBackend",
    "labelapp.signin.Backend",
]
AUTH_USER_MODEL = "labelapp.User"
# Of new passwords; those that people have already go on working.
PASSWORD_LENGTH = whole_number("MIN_PASSWORD_LENGTH", 12, least=8)
AUTH_PASSWORD_VALIDATORS: list[dict[str, object]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": PASSWORD_LENGTH},
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
PASSWORD_RESET_TIMEOUT = 24 * 3600  # seconds for which a link to set a new password works
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "projects"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch"), ("zh-hans", "简体中文"), ("ar", "العربية")]
COMPLETE_LANGUAGES = ["en-gb", "de"]  # of every page; the others are of a labeller's pages
FORMAT_MODULE_PATH = "labelapp.formats"
LOCALE_PATHS = [BASE_DIR / "labelapp" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Mail: the task worker sends it (labelapp/notifications/outbox.py). Without a host there is none.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "").strip()
EMAIL_PORT = whole_number("EMAIL_PORT", 587)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = switch("EMAIL_USE_TLS")
EMAIL_USE_SSL = switch("EMAIL_USE_SSL")
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "").strip() or "podium@localhost"
PUBLIC_URL = os.environ.get("PUBLIC_URL", "").strip().rstrip("/")
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    stop("EMAIL_USE_TLS and EMAIL_USE_SSL are both on; a mail server wants one of them")
if EMAIL_HOST and not PUBLIC_URL.startswith(("http://", "https://")):
    stop("mails need PUBLIC_URL, the address of Podium for links: https://podium.example.org")

# Webhooks are posted to any address on the internet, and to one of this network only if this is on.
WEBHOOKS_TO_PRIVATE_ADDRESSES = switch("WEBHOOKS_TO_PRIVATE_ADDRESSES")

PROJECT_CREATORS = os.environ.get("PROJECT_CREATORS") or "superusers"
if PROJECT_CREATORS not in ("superusers", "staff", "everyone"):
    stop(f"PROJECT_CREATORS={PROJECT_CREATORS!r} is none of superusers, staff and everyone")

# What a run may begin with: models of the Hugging Face hub by name, and the folders in MODELS_DIR.
MODELS = words("MODELS", "gpt2")
MODELS_DIR = Path(os.environ.get("MODELS_DIR") or DATA_DIR / "models")

# Set by `manage.py serve`: the address of TensorBoard, with its secret path.
TENSORBOARD_URL = os.environ.get("TENSORBOARD_URL", "").rstrip("/")

# Set by `manage.py serve`, or by whoever runs the reward service elsewhere.
REWARD_SERVER_URL = os.environ.get("REWARD_SERVER_URL", "").rstrip("/")
REWARD_SERVER_TOKEN = (*words("REWARD_SERVER_TOKEN", ""), "")[0]

# Only the upload page accepts files (labelapp/importing/views.py), up to this size.
MAX_UPLOAD_BYTES = 2**20 * whole_number("MAX_UPLOAD_MIB", 2048)
FILE_UPLOAD_HANDLERS = ["labelapp.importing.upload_handler.NoFiles"]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "labelapp.web.staticfiles.StaticFilesStorage"},
}

# Responses are untrusted: besides the allow-list of HTML, this policy blocks inline scripts and
# resources of other hosts.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_IDLE_SECONDS = 3600 * whole_number("SESSION_IDLE_HOURS", 72, least=0)

if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    # These bind other hosts of the domain, too, so they are for the operator to decide.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = switch("HSTS_SUBDOMAINS")
    SECURE_HSTS_PRELOAD = switch("HSTS_PRELOAD")
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "without_traceback": {
            "()": "django.utils.log.CallbackFilter",
            "callback": without_traceback,
        },
        "no_faults": {"()": "labelapp.web.faults.NoFaults"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "stderr_line": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["without_traceback"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        # Log only errors of the server, not refused or missing pages. Faults of the machine have a
        # line of their own (labelapp/web/faults.py).
        "django.request": {"level": "ERROR", "filters": ["no_faults"]},
        # Who has deleted or anonymised what.
        "labelapp.audit": {"level": "INFO"},
        # Anybody can send a wrong Host header.
        "django.security.DisallowedHost": {"handlers": ["stderr_line"], "propagate": False},
    },
}
