"""How settings.py reads the environment, and what it refuses. A refusal names the variable and says what to do."""

import os
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SHORTEST_KEY = 50
FEWEST_KEY_LETTERS = 5
LARGEST_NUMBER = 2**31 - 1
DATABASE_PARTS = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD")
LOGIN_PARTS = ("HOST", "PORT", "USER", "PASSWORD")


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_flag(name: str, default: bool = False) -> bool:
    text = env_text(name, "1" if default else "0").lower()
    if text not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return text in {"1", "true", "yes"}


def env_number(name: str, default: int, *, least: int = 0, most: int = LARGEST_NUMBER) -> int:
    text = env_text(name, str(default))
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    text = env_text(name, default)
    if text not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {text!r}.")
    return text


def check_secret_key(key: str) -> None:
    """Refuse, for production, a key that can be guessed. It signs sessions, password resets, file links."""
    if len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_KEY_LETTERS:
        raise ImproperlyConfigured(
            f"SECRET_KEY must be at least {SHORTEST_KEY} random characters in production. "
            'Make one: python3 -c "import secrets; print(secrets.token_urlsafe(64))"'
        )


def check_public_url(url: str, *, is_production: bool, variable: str = "PUBLIC_URL") -> None:
    """Refuse what is no scheme and host. Tokens and sign-ins travel there, so production insists on https."""
    parts = urlsplit(url)
    schemes = ("https",) if is_production else ("http", "https")
    if parts.scheme not in schemes or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"{variable} must be {' or '.join(schemes)}://host and no path, not {url!r}.")


def check_stripe(
    *, key: str, webhook_secrets: Sequence[str], address: str, is_chosen: bool, is_production: bool
) -> None:
    """Refuse what is half set: money that comes in but is never heard of, or the other way round."""
    if is_chosen and not (key and webhook_secrets):
        raise ImproperlyConfigured(
            "PAYMENT_PROVIDER=stripe needs STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS; without them nothing is paid."
        )
    if not is_chosen and (key or webhook_secrets):
        raise ImproperlyConfigured("STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS need PAYMENT_PROVIDER=stripe.")
    if key and not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        raise ImproperlyConfigured("STRIPE_SECRET_KEY must start with sk_test_, sk_live_, rk_test_ or rk_live_.")
    if key.startswith(("sk_live_", "rk_live_")) and not is_production:
        raise ImproperlyConfigured("STRIPE_SECRET_KEY is a live key: real money needs PRODUCTION=1.")
    if any(not secret.startswith("whsec_") for secret in webhook_secrets):
        raise ImproperlyConfigured("STRIPE_WEBHOOK_SECRETS must start with whsec_, with commas between them.")
    if address and is_production:
        raise ImproperlyConfigured("STRIPE_API_ADDRESS is for tests; production asks Stripe itself.")


def database_from(url: str, pool_size: int, variable: str = "DATABASE_URL") -> dict[str, object]:
    """Translate postgresql://user:password@host:port/name?host=/socket/folder for Django.

    The password must be percent-encoded. One that is not would silently make another host of its rest.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{variable} must start with postgresql://.")
    name = parts.path.removeprefix("/")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if port == -1 or "/" in name or "@" in name + parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"{variable} cannot be read: write / ? # @ : % in its password as %2F %3F %23 %40 %3A %25, "
            f"or set {', '.join(DATABASE_PARTS)} instead, which are taken as they are."
        )
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return postgres(
        host=unquote(query.get("host", parts.hostname or "")),
        port=str(port or ""),
        name=unquote(name),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        pool_size=pool_size,
    )


def database_from_parts(pool_size: int) -> dict[str, object]:
    """Read DATABASE_HOST and its fellows, where a password needs no escaping."""
    host, port, name, user, password = (env_text(part) for part in DATABASE_PARTS)
    if not (name and user):
        raise ImproperlyConfigured("DATABASE_HOST needs DATABASE_NAME and DATABASE_USER beside it.")
    return postgres(host=host, port=port, name=name, user=user, password=password, pool_size=pool_size)


def owner_login(url: str, database: Mapping[str, object]) -> dict[str, object]:
    """Return host, port, user and password of the role that owns the tables: from a URL, else from its own two parts.

    The name of the database is always the application's. Nothing when the application's role is the owner.
    """
    user = env_text("DATABASE_OWNER_USER")
    if url and user:
        raise ImproperlyConfigured("Set MIGRATION_DATABASE_URL or DATABASE_OWNER_USER, not both.")
    named: Mapping[str, object] = {}
    if url:
        named = database_from(url, pool_size=1, variable="MIGRATION_DATABASE_URL")
    elif user:
        named = {**database, "USER": user, "PASSWORD": env_text("DATABASE_OWNER_PASSWORD")}
    if not named or named["USER"] == database.get("USER"):
        return {}
    return {part: named[part] for part in LOGIN_PARTS}


def postgres(*, host: str, port: str, name: str, user: str, password: str, pool_size: int) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": pool_size, "timeout": 20}},
        "TEST": {"NAME": env_text("TEST_DATABASE_NAME") or None},
    }
