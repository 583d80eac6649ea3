"""Settings: read from the environment, strictly; no insecure default."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def start(
    folder: Path, statement: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """A fresh process that reads the settings under this environment alone."""
    program = f"from labelapp import settings as s; {statement or 'print(s.DATA_DIR)'}"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DEBUG": "maybe"}, "DEBUG='maybe' is neither on nor off; use DEBUG=on or leave it unset"),
        (
            {"SECRET_KEY": "short"},
            "SECRET_KEY is shorter than 32 characters; use a long random value",
        ),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must begin with sqlite:///, postgres:// or"),
        ({"DATABASE_URL": "postgres://h:port/x"}, "DATABASE_URL cannot be read; its form is"),
        ({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL names no database; its form is sqlite:////"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL names no database"),
        ({"PROXIES": "-1"}, "PROXIES='-1' is not a whole number of 0 or more"),
        (
            {"MIN_PASSWORD_LENGTH": "7"},
            "MIN_PASSWORD_LENGTH='7' is not a whole number of 8 or more",
        ),
        ({"SESSION_IDLE_HOURS": "1.5"}, "SESSION_IDLE_HOURS='1.5' is not a whole number of 0 or"),
        (
            {"RUNS_DIR": "runs"},
            "RUNS_DIR=runs is not an absolute path; every machine needs the same",
        ),
        ({"DATA_DIR": "/proc/nowhere"}, "DATA_DIR=/proc/nowhere cannot be created: No such file"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    done = start(tmp_path, **environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"podium: {message}")
    assert done.stderr.count("\n") == 1


def test_the_secret_key_is_made_once_and_is_ours_alone(tmp_path: Path) -> None:
    first, second = (start(tmp_path, "print(s.SECRET_KEY)").stdout for _ in range(2))
    assert first == second
    assert len(first) > 50
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_share_one_secret_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: start(tmp_path, "print(s.SECRET_KEY)"), range(8)))
    assert {process.returncode for process in done} == {0}
    assert len({process.stdout for process in done}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_folder_may_have_odd_signs_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a#b?c%20d"
    done = start(folder, "print(s.DATABASES['default']['NAME'])")
    assert done.stdout == f"{folder}/podium.sqlite3\n"


def test_the_defaults_are_safe(tmp_path: Path) -> None:
    done = start(tmp_path, "print(s.DEBUG, s.ALLOWED_HOSTS)")
    assert done.stdout == "False ['127.0.0.1', 'localhost', '[::1]']\n"


def test_postgresql_is_used_if_so_asked(tmp_path: Path) -> None:
    url = "postgres://ann:s%40fe@db.example:5433/podium"
    done = start(
        tmp_path, "d = s.DATABASES['default']; print(d['HOST'], d['PASSWORD'])", DATABASE_URL=url
    )
    assert done.stdout == "db.example s@fe\n"


@pytest.mark.parametrize(("pooler", "prepared"), [("off", "True 2"), ("on", "None None")])
def test_statements_are_prepared_unless_a_pooler_stands_between(
    tmp_path: Path, pooler: str, prepared: str
) -> None:
    done = start(
        tmp_path,
        "o = s.DATABASES['default']['OPTIONS'];"
        "print(o['sslmode'], o.get('server_side_binding'), o.get('prepare_threshold'))",
        DATABASE_URL="postgres://db.example/podium?sslmode=require",
        DATABASE_POOLER=pooler,
    )
    assert done.stdout == f"require {prepared}\n"


def test_https_turns_on_what_needs_it(tmp_path: Path) -> None:
    done = start(tmp_path, "print(s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT)", HTTPS="on")
    assert done.stdout == "True True\n"


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({}, "31536000 False False"),
        ({"HSTS_SUBDOMAINS": "on"}, "31536000 True False"),
        ({"HSTS_SUBDOMAINS": "on", "HSTS_PRELOAD": "on"}, "31536000 True True"),
    ],
)
def test_other_hosts_of_the_domain_are_bound_only_if_so_asked(
    tmp_path: Path, switches: dict[str, str], expected: str
) -> None:
    printed = "s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD"
    assert start(tmp_path, f"print({printed})", HTTPS="on", **switches).stdout == f"{expected}\n"


def test_a_forged_host_is_one_line_of_the_log(tmp_path: Path) -> None:
    request = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'labelapp.settings';"
        "django.setup(); from django.conf import settings; from django.test import Client;"
        "settings.STORAGES['staticfiles']['BACKEND'] ="
        " 'django.contrib.staticfiles.storage.StaticFilesStorage';"  # nothing was collected
        "print(Client(headers={'host': 'evil.example\\r\\nx'}).get('/sign-in/').status_code)"
    )
    (tmp_path / "static").mkdir()
    done = start(tmp_path, request)
    assert done.stdout == "400\n"
    assert done.stderr.count("\n") == 1
    assert "Invalid HTTP_HOST header" in done.stderr
