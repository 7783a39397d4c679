"""All settings, read from the environment once. An unsafe production value is a start-up error."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from marketplace.content_security import content_security_policy
from marketplace.countries import country_names
from marketplace.embedded.addresses import browser_address, find_services, live_address, own_hosts
from marketplace.embedded.secret_key import own_secret_key
from marketplace.environment import (
    check_public_url,
    check_secret_key,
    check_stripe,
    database_from,
    database_from_parts,
    env_choice,
    env_flag,
    env_list,
    env_number,
    env_text,
    owner_login,
)
from marketplace.file_storage import default_storage_settings
from marketplace.oauth_clients import OAUTH_CLIENTS
from marketplace.purchases.tax import compact_vat_id
from marketplace.schedule import BEAT_SCHEDULE, TASK_ROUTES

BASE_DIR = Path(__file__).resolve().parent.parent

# The embedded run: everything on one machine, for trying, developing and testing.
IS_PRODUCTION = env_flag("PRODUCTION")
IS_EMBEDDED = not IS_PRODUCTION
VAR_DIR = Path(env_text("VAR_DIR", str(BASE_DIR / "var")))
DEBUG = env_flag("DEBUG") and not IS_PRODUCTION


def required(name: str, embedded_value: str) -> str:
    """Return a setting that production must bring and the embedded run may default."""
    value = env_text(name)
    if not value and IS_PRODUCTION:
        raise ImproperlyConfigured(f"{name} must be set in production.")
    return value or embedded_value


if IS_PRODUCTION:
    SECRET_KEY = required("SECRET_KEY", "")
    check_secret_key(SECRET_KEY)
else:
    SECRET_KEY = env_text("SECRET_KEY") or own_secret_key(VAR_DIR)
PUBLIC_URL = required("PUBLIC_URL", browser_address(env_text("HOST"), env_text("PORT"))).rstrip("/")
check_public_url(PUBLIC_URL, is_production=IS_PRODUCTION)
# Where live streams are: in production a proxy sends /live/ to their process; on one machine it has its own port.
LIVE_URL = env_text("LIVE_URL", PUBLIC_URL if IS_PRODUCTION else live_address(PUBLIC_URL, env_text("LIVE_PORT")))
LIVE_URL = LIVE_URL.rstrip("/")
check_public_url(LIVE_URL, is_production=IS_PRODUCTION, variable="LIVE_URL")
# Mails and profile files name the host that was asked for, so nobody may ask for one that is not ours.
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or ([] if IS_PRODUCTION else own_hosts(env_text("HOST"), PUBLIC_URL))
if IS_PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts in production; * is refused.")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# ── Applications ────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "marketplace.web.admin_site.OwnstreamAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.forms",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "oauth2_provider",
    "rest_framework",
    "ledger",
    "devices",
    "marketplace.accounts",
    "marketplace.notices",
    "marketplace.wallet",
    "marketplace.consents",
    "marketplace.listings",
    "marketplace.purchases",
    "marketplace.disputes",
    "marketplace.invoices",
    "marketplace.access",
    "marketplace.delivery",
    "marketplace.handovers",
    "marketplace.erasure",
    "marketplace.api",
    "marketplace.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "marketplace.api.hot_paths.HotPathMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "marketplace.web.middleware.NullCharacterMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "marketplace.web.middleware.TimeZoneMiddleware",
    "marketplace.web.middleware.HtmxRedirectMiddleware",
    "marketplace.web.middleware.WrongMethodMiddleware",
]

ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
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
                "marketplace.web.context.page_context",
            ],
            "builtins": ["marketplace.web.templatetags.ownstream"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# ── Database, broker, cache ─────────────────────────────────────────────────
SERVICES = find_services(VAR_DIR)
DATABASE_POOL_SIZE = env_number("DATABASE_POOL_SIZE", 20, least=1, most=1000)
DATABASE_HOST = env_text("DATABASE_HOST")
DATABASE_URL = env_text("DATABASE_URL") or ("" if DATABASE_HOST else SERVICES.database_url)
REDIS_URL = env_text("REDIS_URL") or SERVICES.redis_url
CACHE_URL = env_text("CACHE_URL") or SERVICES.cache_url or REDIS_URL
if DATABASE_HOST and DATABASE_URL:
    raise ImproperlyConfigured("Set DATABASE_URL or DATABASE_HOST, not both.")
if IS_PRODUCTION and not ((env_text("DATABASE_URL") or DATABASE_HOST) and env_text("REDIS_URL")):
    raise ImproperlyConfigured("DATABASE_URL (or DATABASE_HOST) and REDIS_URL must be set in production.")
DATABASES = {}
if DATABASE_URL:
    DATABASES["default"] = database_from(DATABASE_URL, DATABASE_POOL_SIZE)
elif DATABASE_HOST:
    DATABASES["default"] = database_from_parts(DATABASE_POOL_SIZE)
# How `manage.py migrate` logs in, and nobody else: as the owner of the tables. Empty: the application owns them itself.
MIGRATION_DATABASE_URL = env_text("MIGRATION_DATABASE_URL")
if not MIGRATION_DATABASE_URL and SERVICES.database_url == DATABASE_URL:
    MIGRATION_DATABASE_URL = SERVICES.migration_database_url
DATABASE_OWNER = owner_login(MIGRATION_DATABASE_URL, DATABASES.get("default", {}))
# The role that migrate gives the application's rights to; a copy, for migrate changes the login above.
APPLICATION_ROLE = {part.lower(): str(DATABASES["default"][part]) for part in ("USER", "PASSWORD")} if DATABASES else {}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ROUTES, CELERY_BEAT_SCHEDULE = TASK_ROUTES, BEAT_SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# ── People ──────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
# The address is unique whatever its case: by a constraint on Lower(email), which this check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "marketplace.accounts.password_rules.UnlikeTheAddress"},
    {"NAME": "marketplace.accounts.password_rules.LongEnough", "OPTIONS": {"min_length": 10}},
    {"NAME": "marketplace.accounts.password_rules.Uncommon"},
    {"NAME": "marketplace.accounts.password_rules.NotOnlyDigits"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "marketplace.accounts.forms.SignupDetailsForm"
ACCOUNT_ADAPTER = "marketplace.accounts.login_words.AccountWords"
ACCOUNT_FORMS = {
    "login": "marketplace.accounts.login_forms.LogInForm",
    "signup": "marketplace.accounts.login_forms.SignUpForm",
    "add_email": "marketplace.accounts.login_forms.AddressForm",
    "change_password": "marketplace.accounts.login_forms.ChangePasswordForm",
    "set_password": "marketplace.accounts.login_forms.SetPasswordForm",
    "reset_password": "marketplace.accounts.login_forms.ResetPasswordForm",
    "reset_password_from_key": "marketplace.accounts.login_forms.ResetPasswordKeyForm",
    "reauthenticate": "marketplace.accounts.login_forms.ConfirmPasswordForm",
    "confirm_email_verification_code": "marketplace.accounts.login_forms.AddressCodeForm",
}
# Nobody acts before the address is proven: who signs up with another's address gets in never, and leaves nothing
# behind for when the other one comes. By a code that only the browser that asked takes: a link could be pressed by
# the owner of the address, who would so confirm an account with a stranger's password.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Ownstream: "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_PRODUCTION else "http"
MFA_ADAPTER = "marketplace.accounts.login_words.FactorWords"
MFA_FORMS = {
    "authenticate": "marketplace.accounts.login_forms.CodeForm",
    "reauthenticate": "marketplace.accounts.login_forms.ConfirmCodeForm",
    "activate_totp": "marketplace.accounts.login_forms.ActivateAppForm",
    "add_webauthn": "marketplace.accounts.login_forms.AddPasskeyForm",
    "login_webauthn": "marketplace.accounts.login_forms.PasskeyLogInForm",
    "authenticate_webauthn": "marketplace.accounts.login_forms.PasskeyFactorForm",
    "reauthenticate_webauthn": "marketplace.accounts.login_forms.ConfirmPasskeyForm",
    "edit_webauthn": "marketplace.accounts.login_forms.RenamePasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Ownstream"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = IS_EMBEDDED

# ── Mail ────────────────────────────────────────────────────────────────────
DEFAULT_FROM_EMAIL = env_text("MAIL_FROM", "Ownstream <no-reply@ownstream.invalid>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MAIL_FOLDER = VAR_DIR / "mail"
if IS_EMBEDDED:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(MAIL_FOLDER)
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = required("MAIL_HOST", "")
    EMAIL_PORT = env_number("MAIL_PORT", 587, least=1, most=65535)
    EMAIL_HOST_USER = env_text("MAIL_USER")
    EMAIL_HOST_PASSWORD = env_text("MAIL_PASSWORD")
    EMAIL_USE_TLS = env_flag("MAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10

# ── Files ───────────────────────────────────────────────────────────────────
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(env_text("MEDIA_ROOT", str(VAR_DIR / "files")))
# Which accounts were erased, by marks that name nobody: to be done again after an older backup is restored.
ERASURES_FILE = Path(env_text("ERASURES_FILE", str(VAR_DIR / "kept" / "erasures")))
STORAGES = {
    "default": default_storage_settings(is_production=IS_PRODUCTION),
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if IS_PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
# On a machine that others use too, what people sold and bought is not theirs to read.
FILE_UPLOAD_PERMISSIONS = 0o600 if IS_EMBEDDED else 0o644
# Whether nginx.conf stands in front, and cut_downloads runs: then nginx sends what may be sent by it.
NGINX_SENDS_FILES = env_flag("NGINX_SENDS_FILES")
WHITENOISE_USE_FINDERS = IS_EMBEDDED
WHITENOISE_AUTOREFRESH = False

# ── Language and time ───────────────────────────────────────────────────────
LANGUAGE_CODE = "en-gb"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# ── Security ────────────────────────────────────────────────────────────────
SESSION_COOKIE_NAME = "ownstream_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_SECURE = IS_PRODUCTION
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health(/live)?$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_PRODUCTION
SECURE_HSTS_PRELOAD = IS_PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
if IS_PRODUCTION:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many proxies of ours stand in front, each adding one entry to X-Forwarded-For (see marketplace/addresses.py).
TRUSTED_PROXIES = env_number("TRUSTED_PROXIES", 1 if IS_PRODUCTION else 0, least=0, most=10)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = content_security_policy(live_url=LIVE_URL, public_url=PUBLIC_URL)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# ── The product ─────────────────────────────────────────────────────────────
LEDGER_ORIGIN = required("LEDGER_ORIGIN", "ownstream.invalid/log")
# 32-byte Ed25519 seed as 64 hex digits, or a file of mode 0600 that holds it.
LEDGER_SEED_HEX = env_text("LEDGER_SEED_HEX")
LEDGER_SEED_FILE = Path(env_text("LEDGER_SEED_FILE", str(VAR_DIR / "keys" / "ledger.seed")))
# The seed that was there before: while a key is being replaced both sign.
LEDGER_PREVIOUS_SEED_HEX = env_text("LEDGER_PREVIOUS_SEED_HEX")
LEDGER_PREVIOUS_SEED_FILE = Path(env_text("LEDGER_PREVIOUS_SEED_FILE", f"{LEDGER_SEED_FILE}.previous"))
# The verifier keys that belong to the seeds, newest first: all that a process which never signs needs.
LEDGER_VKEY = env_text("LEDGER_VKEY")
# What the signer remembers of what it signed, apart from the database, and the folder that export_log fills.
LEDGER_MEMORY_FILE = Path(env_text("LEDGER_MEMORY_FILE", str(LEDGER_SEED_FILE.with_suffix(".memory"))))
LEDGER_EXPORT_FOLDER = Path(folder) if (folder := env_text("LEDGER_EXPORT_FOLDER")) else None
# Who witnesses the log: witness, group and quorum lines. None in production: nobody. `make run` writes its own.
LEDGER_POLICY_NAME = env_text("LEDGER_POLICY_FILE", str(VAR_DIR / "witnesses" / "policy") if IS_EMBEDDED else "")
LEDGER_POLICY_FILE = Path(LEDGER_POLICY_NAME) if LEDGER_POLICY_NAME else None
LEDGER_URL = f"{PUBLIC_URL}/log"
# Where money is real nobody gets to give himself some because a setting was forgotten.
PAYMENT_PROVIDER = env_choice("PAYMENT_PROVIDER", "none" if IS_PRODUCTION else "test", ("none", "test", "stripe"))
STRIPE_SECRET_KEY = env_text("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRETS = env_list("STRIPE_WEBHOOK_SECRETS")
STRIPE_API_ADDRESS = env_text("STRIPE_API_ADDRESS")
check_stripe(
    key=STRIPE_SECRET_KEY,
    webhook_secrets=STRIPE_WEBHOOK_SECRETS,
    address=STRIPE_API_ADDRESS,
    is_chosen=PAYMENT_PROVIDER == "stripe",
    is_production=IS_PRODUCTION,
)
MARKET_CURRENCY = "EUR"
MARKET_FEE_BASIS_POINTS = env_number("MARKET_FEE_BASIS_POINTS", 800, least=0, most=10_000)
# Who sells, as invoices name it. Without a VAT id the market is not registered, and its prices hold no tax.
MARKET_NAME = required("MARKET_NAME", "Ownstream trial market")
MARKET_ADDRESS = required("MARKET_ADDRESS", "Example Street 1; 10115 Berlin").replace(";", "\n")
MARKET_COUNTRY = required("MARKET_COUNTRY", "DE")
MARKET_VAT_ID = env_text("MARKET_VAT_ID", "DE100000008" if IS_EMBEDDED else "")
if MARKET_COUNTRY not in country_names():
    raise ImproperlyConfigured("MARKET_COUNTRY must be the two letters of a country by ISO 3166, such as DE.")
if MARKET_VAT_ID and compact_vat_id(MARKET_VAT_ID, MARKET_COUNTRY) != MARKET_VAT_ID:
    raise ImproperlyConfigured("MARKET_VAT_ID must be a VAT id of MARKET_COUNTRY, without spaces, or empty.")
# How long what was bought once may be returned, and so how long its price is on hold.
REFUND_WINDOW_DAYS = env_number("REFUND_WINDOW_DAYS", 14, least=0, most=90)
DELIVERY_PROMISE_DAYS = env_number("DELIVERY_PROMISE_DAYS", 3, least=1, most=REFUND_WINDOW_DAYS or 1)
# On one machine people try webhooks with a program beside the market; elsewhere they go to the internet, by https.
WEBHOOKS_MAY_STAY_LOCAL = IS_EMBEDDED
DEVICE_BATCHES_A_MINUTE = env_number("DEVICE_BATCHES_A_MINUTE", 600, least=1)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "marketplace.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "marketplace.api.schema.ProblemSchema",
    "EXCEPTION_HANDLER": "marketplace.api.errors.problem_response",
}
OAUTH2_PROVIDER = OAUTH_CLIENTS
SPECTACULAR_SETTINGS = {
    "TITLE": "Ownstream API",
    "DESCRIPTION": "Sell and buy the data of connected devices. The same acts as the web pages, as JSON.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Several fields are called kind; their choices need names of their own.
    "ENUM_NAME_OVERRIDES": {
        "DeviceKind": "devices.models.Device.Kind",
        "PlanKind": "marketplace.listings.models.Plan.Kind",
        "TokenKind": "marketplace.access.models.AccessToken.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "marketplace.api.device_acts.add_device_acts",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "marketplace.logs.EventFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_text("LOG_LEVEL", "INFO")},
    # One line or two for each task that comes and goes, each second: the events of the features say more.
    "loggers": {
        **{
            name: {"level": "WARNING"}
            for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat", "stripe")
        },
        # Django gives it a format of its own, which would show the signatures of file links.
        "django.server": {"handlers": ["stderr"], "propagate": False},
    },
}
