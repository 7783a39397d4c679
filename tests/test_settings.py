"""An unsafe setting is an error at start. Each try is a process of its own, as a real start is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from marketplace.environment import database_from, database_from_parts

ROOT = Path(__file__).resolve().parent.parent
STEERING = ("DATABASE_", "MIGRATION_", "REDIS_", "CACHE_", "DJANGO_", "PYTEST_")
GOOD = {
    "PRODUCTION": "1",
    "SECRET_KEY": "m3Qw7-Zt9Lk2_Vx5Nb8Rc1Hd6Jf4Gs0Py-Ua3Ei7To2Ws9Xq5Mz8",
    "PUBLIC_URL": "https://market.example",
    "ALLOWED_HOSTS": "market.example",
    "LEDGER_ORIGIN": "market.example/log",
    "LEDGER_SEED_HEX": "07" * 32,
    "MAIL_HOST": "mail.example",
    "MARKET_NAME": "Market",
    "MARKET_ADDRESS": "Street 1; 10115 Berlin",
    "MARKET_COUNTRY": "DE",
    "DATABASE_URL": "postgresql://ownstream:secret@database.example/ownstream",
    "REDIS_URL": "redis://broker.example/0",
}
PARTS = {
    "DATABASE_URL": "",
    "DATABASE_HOST": "database.example",
    "DATABASE_NAME": "ownstream",
    "DATABASE_USER": "ownstream",
    "DATABASE_PASSWORD": "p@ss/w#rd?%41:",
}


def start(program: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    command = [sys.executable, "-c", f"from marketplace import settings\n{program}"]
    return subprocess.run(command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, check=False)


def test_good_production_settings_start() -> None:
    started = start("print(settings.TRUSTED_PROXIES, settings.ALLAUTH_TRUSTED_PROXY_COUNT)", **GOOD)

    assert started.returncode == 0, started.stderr
    assert started.stdout == "1 1\n"


def test_the_image_is_built_with_settings_that_start() -> None:
    command = (ROOT / "Dockerfile").read_text().partition("# Collecting reads no secret")[2]
    values = dict(re.findall(r"\b([A-Z_]+)=(\S+)", command.partition("python manage.py")[0]))
    assert {"SECRET_KEY", "PUBLIC_URL"} <= values.keys()

    started = start(**values | {"PRODUCTION": "1"})
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "x", "SECRET_KEY must be at least 50 random characters"),
        ("SECRET_KEY", "ab" * 40, "SECRET_KEY must be at least 50 random characters"),
        ("SECRET_KEY", "", "SECRET_KEY must be set in production"),
        ("PUBLIC_URL", "http://market.example", "PUBLIC_URL must be https://"),
        ("PUBLIC_URL", "https://", "PUBLIC_URL must be https://"),
        ("PUBLIC_URL", "https://market.example/shop", "PUBLIC_URL must be https://"),
        ("PAYMENT_PROVIDER", "strpe", "PAYMENT_PROVIDER must be none or test or stripe"),
        ("PAYMENT_PROVIDER", "stripe", "PAYMENT_PROVIDER=stripe needs STRIPE_SECRET_KEY"),
        ("STRIPE_SECRET_KEY", "sk_live_x", "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS need"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_x", "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS need"),
        ("STRIPE_API_ADDRESS", "http://127.0.0.1:1", "STRIPE_API_ADDRESS is for tests"),
        ("MARKET_COUNTRY", "Germany", "MARKET_COUNTRY must be the two letters of a country"),
        ("MARKET_VAT_ID", "DE100000009", "MARKET_VAT_ID must be a VAT id of MARKET_COUNTRY"),
        ("MARKET_VAT_ID", "ATU57194903", "MARKET_VAT_ID must be a VAT id of MARKET_COUNTRY"),
        ("MARKET_FEE_BASIS_POINTS", "10001", "MARKET_FEE_BASIS_POINTS must be a whole number from 0 to 10000"),
        ("MARKET_FEE_BASIS_POINTS", "-1", "MARKET_FEE_BASIS_POINTS must be a whole number from 0 to 10000"),
        ("MARKET_FEE_BASIS_POINTS", "8 %", "MARKET_FEE_BASIS_POINTS must be a whole number from 0 to 10000"),
        ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES must be a whole number from 0 to 10"),
        ("ALLOWED_HOSTS", "*", "ALLOWED_HOSTS must name the hosts"),
        ("DATABASE_URL", "", "DATABASE_URL (or DATABASE_HOST) and REDIS_URL must be set in production"),
        ("DATABASE_HOST", "elsewhere.example", "Set DATABASE_URL or DATABASE_HOST, not both"),
        ("REDIS_URL", "", "DATABASE_URL (or DATABASE_HOST) and REDIS_URL must be set in production"),
    ],
)
def test_an_unsafe_setting_is_an_error_at_start(name: str, value: str, said: str) -> None:
    refused = start(**GOOD | {name: value})

    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {said}" in refused.stderr.splitlines()[-1]


def test_a_password_of_its_own_needs_no_escaping() -> None:
    show = "database = settings.DATABASES['default']; print(database['HOST'], database['NAME'], database['PASSWORD'])"
    started = start(show, **GOOD | PARTS)

    assert started.returncode == 0, started.stderr
    assert started.stdout == "database.example ownstream p@ss/w#rd?%41:\n"


OWNER_URL = "postgresql://keeper:s%40cret@database.example/ownstream"


@pytest.mark.parametrize(
    ("given", "login"),
    [
        ({}, "{}"),
        ({"MIGRATION_DATABASE_URL": OWNER_URL}, "database.example keeper s@cret"),
        ({"MIGRATION_DATABASE_URL": GOOD["DATABASE_URL"]}, "{}"),
        (
            {**PARTS, "DATABASE_OWNER_USER": "keeper", "DATABASE_OWNER_PASSWORD": "p@ss/"},
            "database.example keeper p@ss/",
        ),
    ],
)
def test_who_migrates_is_named_apart_or_not_at_all(given: dict[str, str], login: str) -> None:
    show = "owner = settings.DATABASE_OWNER; print(*map(owner.get, ('HOST', 'USER', 'PASSWORD')) if owner else [owner])"
    started = start(show, **GOOD | given)

    assert started.stdout == f"{login}\n", started.stderr


def test_the_owner_is_named_once() -> None:
    refused = start(**GOOD | {"MIGRATION_DATABASE_URL": OWNER_URL, "DATABASE_OWNER_USER": "keeper"})
    assert "Set MIGRATION_DATABASE_URL or DATABASE_OWNER_USER, not both" in refused.stderr.splitlines()[-1]


def test_a_host_needs_a_name_and_a_user_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_HOST", "database.example")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_NAME and DATABASE_USER"):
        database_from_parts(20)


def test_an_escaped_password_is_read_from_the_url() -> None:
    database = database_from("postgresql://own%40stream:p%40ss%2Fw%23rd%3F@database.example:6543/name", 20)

    assert (database["USER"], database["PASSWORD"]) == ("own@stream", "p@ss/w#rd?")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("database.example", "6543", "name")


def test_a_socket_folder_is_read_from_the_url() -> None:
    database = database_from("postgresql://ownstream@/ownstream?host=%2Frun%2Fa%20b", 20)
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == ("/run/a b", "", "")


@pytest.mark.parametrize("password", ["p@ss/w#rd", "p/w", "p#w", "p?w", "p/1@x", "p#1@x", "1?x", "1/x", "1#x"])
def test_a_password_that_is_not_escaped_is_refused(password: str) -> None:
    """It would otherwise be cut, and its rest taken for the host."""
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read"):
        database_from(f"postgresql://ownstream:{password}@database.example/ownstream", 20)


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.1.2.3", "10.1.2.3")])
def test_the_embedded_run_names_an_address_that_opens(host: str, address: str) -> None:
    started = start("print(settings.PUBLIC_URL)", HOST=host, PORT="8123")
    assert started.stdout == f"http://{address}:8123\n", started.stderr


def test_the_embedded_run_makes_a_key_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    runs = [start("print(settings.SECRET_KEY)", VAR_DIR=str(folder)) for folder in (tmp_path, tmp_path, tmp_path / "b")]

    keys = [run.stdout.strip() for run in runs]
    assert keys[0] == keys[1] == (tmp_path / "keys" / "secret.key").read_text().strip()
    assert keys[2] != keys[0]
    assert start("print(settings.SECRET_KEY)", VAR_DIR=str(tmp_path), SECRET_KEY="mine").stdout == "mine\n"


def test_production_never_makes_a_key(tmp_path: Path) -> None:
    refused = start(**GOOD | {"SECRET_KEY": "", "VAR_DIR": str(tmp_path)})

    assert refused.returncode != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, "localhost 127.0.0.1 [::1]"),
        ({"HOST": "0.0.0.0"}, "localhost 127.0.0.1 [::1]"),
        ({"HOST": "10.1.2.3"}, "localhost 127.0.0.1 [::1] 10.1.2.3"),
        ({"HOST": "fd00::7"}, "localhost 127.0.0.1 [::1] [fd00::7]"),
        ({"HOST": "::", "PUBLIC_URL": "http://market.local:8000"}, "localhost 127.0.0.1 [::1] market.local"),
        ({"HOST": "10.1.2.3", "ALLOWED_HOSTS": "a.example, b.example"}, "a.example b.example"),
    ],
)
def test_the_embedded_run_answers_to_its_own_names_only(given: dict[str, str], hosts: str) -> None:
    started = start("print(*settings.ALLOWED_HOSTS)", **{"HOST": "", "PUBLIC_URL": "", "ALLOWED_HOSTS": ""} | given)
    assert started.stdout == f"{hosts}\n", started.stderr
