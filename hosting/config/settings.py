"""Berth's settings, all from the environment; docs/configuration.md describes each variable."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, SELF

from hosting.config.schedule import BEAT_SCHEDULE
from hosting.config.unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parents[2]

env = environ.Env()

# --- Core -------------------------------------------------------------------------------------
DEBUG = env.bool("BERTH_DEBUG", default=False)
SECRET_KEY = env.str("BERTH_SECRET_KEY")
BERTH_URL = env.str("BERTH_URL", default="http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list(
    "BERTH_ALLOWED_HOSTS", default=[urlsplit(BERTH_URL).hostname or "localhost"]
)
CSRF_TRUSTED_ORIGINS = [BERTH_URL]
ROOT_URLCONF = "hosting.config.urls"
WSGI_APPLICATION = "hosting.config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "hosting.config.admin.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "template_partials",
    "tenants",
    "hosting",
    "billing",
]

MIDDLEWARE = [
    "tenants.middleware.RequestContextMiddleware",
    "tenants.middleware.RefuseNullMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

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
                "csp.context_processors.nonce",
            ],
        },
    },
]

_LEASE_SECONDS = env.int("BERTH_LEASE_SECONDS", default=30)

# --- Data -------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A process that is frozen inside a transaction would hold its locks for ever, and keep everybody
# else from what it has locked: PostgreSQL then ends its session.
_IDLE = f"-c idle_in_transaction_session_timeout={max(2 * _LEASE_SECONDS, 10)}s"
# Compiling a query took PostgreSQL half a second where the query itself took a tenth of that.
_NOT_COMPILED = "-c jit=off"
# For what no disk has to turn, as PostgreSQL's manual advises (19.7.2): by its default it reads a
# table of 85,000 rows whole to find 50, which takes 40 ms in place of 2.
_NEAR = "-c random_page_cost=1.1"
_OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})  # the address's own come last, and win
_OPTIONS["options"] = f"{_IDLE} {_NOT_COMPILED} {_NEAR} {_OPTIONS.get('options', '')}".strip()
REDIS_URL = env.str("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
SESSION_ENGINE = (
    "django.contrib.sessions.backends.db"  # Redis may be lost without logging anyone out
)

# --- People -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "tenants.views.account.ClosedAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by staff and by invitation only
ACCOUNT_SESSION_REMEMBER = True
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
EMAIL_CONFIG = env.email_url("BERTH_EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 20  # seconds; a mail server that hangs keeps no worker
DEFAULT_FROM_EMAIL = env.str("BERTH_EMAIL_FROM", default="Berth <noreply@localhost>")

# --- Language and time ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = ["hosting.config.formats"]
USE_TZ = True

# --- Static files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.path("BERTH_STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- Web security -----------------------------------------------------------------------------
_HTTPS = BERTH_URL.startswith("https://")
SECURE_SSL_REDIRECT = _HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
# With the prefix, browsers take these cookies from this very host alone: what an instance under the
# same domain sets for the whole domain can't stand in for them.
_COOKIE_PREFIX = "__Host-" if _HTTPS else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}berth_session"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}berth_csrf"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
BERTH_TRUSTED_PROXIES = env.list("BERTH_TRUSTED_PROXIES", default=[])
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/admin/",),  # unfold's own scripts are inline
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    },
}

# --- Secrets ----------------------------------------------------------------------------------
# "<key id>:<base64 of 32 bytes>", newest first when several; see tenants/crypto.py.
BERTH_MASTER_KEY = env.str("BERTH_MASTER_KEY")

# --- Hosting ----------------------------------------------------------------------------------
BERTH_OWNER = env.str("BERTH_OWNER", default="berth")  # the label that tells two Berths apart
BERTH_DOMAIN = env.str("BERTH_DOMAIN", default="localhost")
BERTH_CATALOG_DIRS = [
    BASE_DIR / "hosting" / "catalog",
    *[Path(each) for each in env.list("BERTH_CATALOG_DIRS", default=[])],
]
BERTH_APP_SETTINGS = env.dict("BERTH_APP_SETTINGS", default={})
BERTH_IMAGE_PREFIX = env.str("BERTH_IMAGE_PREFIX", default="")
BERTH_TENANT_SUPERNET = env.str("BERTH_TENANT_SUPERNET", default="10.208.0.0/12")
BERTH_FIREWALL = env.bool("BERTH_FIREWALL", default=True)
BERTH_EDGE = env.bool("BERTH_EDGE", default=True)
BERTH_EDGE_DIR = Path(env.str("BERTH_EDGE_DIR", default=str(BASE_DIR / "var" / "edge")))
BERTH_EDGE_ADDRESS = env.str("BERTH_EDGE_ADDRESS", default="127.0.0.1")
BERTH_EDGE_PORT = env.int("BERTH_EDGE_PORT", default=8080)
# What a browser sees: scheme and port of the instances' addresses.
BERTH_EDGE_URL = env.str("BERTH_EDGE_URL", default=f"http://{BERTH_DOMAIN}:{BERTH_EDGE_PORT}")
BERTH_EDGE_HOLD_SECONDS = env.int("BERTH_EDGE_HOLD_SECONDS", default=300)
BERTH_INSTANCES_PER_CLIENT = env.int("BERTH_INSTANCES_PER_CLIENT", default=50)
BERTH_DISK_RESERVE_GB = env.int("BERTH_DISK_RESERVE_GB", default=5)
BERTH_BACKUP_TARGET = env.str("BERTH_BACKUP_TARGET", default=str(BASE_DIR / "var" / "backups"))
BERTH_BACKUP_TARGET_ENVIRONMENT = env.dict("BERTH_BACKUP_TARGET_ENVIRONMENT", default={})
BERTH_BACKUP_TARGET_OPTIONS = env.list("BERTH_BACKUP_TARGET_OPTIONS", default=[])
BERTH_BACKUP_COPY = env.str("BERTH_BACKUP_COPY", default="")  # a second place, off-site
BERTH_BACKUP_COPY_ENVIRONMENT = env.dict("BERTH_BACKUP_COPY_ENVIRONMENT", default={})
BERTH_BACKUP_COPY_OPTIONS = env.list("BERTH_BACKUP_COPY_OPTIONS", default=[])
BERTH_BACKUP_COPY_READ_EVERY = timedelta(days=env.int("BERTH_BACKUP_COPY_READ_DAYS", default=7))
BERTH_BACKUP_MAX_AGE = timedelta(hours=env.int("BERTH_BACKUP_MAX_AGE_HOURS", default=26))
BERTH_BACKUPS_AFTER_DELETION = timedelta(days=env.int("BERTH_BACKUPS_KEPT_DAYS", default=30))
# Backups are brought back for a test: how often each instance's, what is too long, how many at once
BERTH_RESTORE_TEST_EVERY = timedelta(days=env.int("BERTH_RESTORE_TEST_EVERY_DAYS", default=6))
BERTH_RESTORE_TEST_MAX_AGE = timedelta(days=env.int("BERTH_RESTORE_TEST_MAX_AGE_DAYS", default=8))
BERTH_RESTORE_TESTS_AT_ONCE = env.int("BERTH_RESTORE_TESTS_AT_ONCE", default=1)
BERTH_REHEARSAL_VALID = timedelta(days=env.int("BERTH_REHEARSAL_VALID_DAYS", default=7))
BERTH_JOURNAL_MAX_AGE = timedelta(seconds=env.int("BERTH_JOURNAL_MAX_AGE_SECONDS", default=60))
BERTH_RESTORE_KEEP = timedelta(days=env.int("BERTH_RESTORE_KEEP_DAYS", default=7))
# What apps report of themselves: how old it may be, how long each event and its key are kept
BERTH_USAGE_OLDEST = timedelta(days=env.int("BERTH_USAGE_OLDEST_DAYS", default=35))
BERTH_USAGE_EVENTS_KEPT = timedelta(days=env.int("BERTH_USAGE_EVENTS_KEPT_DAYS", default=100))
BERTH_USAGE_KEYS_KEPT = timedelta(days=env.int("BERTH_USAGE_KEYS_KEPT_DAYS", default=400))
BERTH_SAMPLE_EVERY = timedelta(seconds=env.int("BERTH_SAMPLE_SECONDS", default=15))
BERTH_VOLUMES_EVERY = timedelta(seconds=env.int("BERTH_VOLUMES_SECONDS", default=600))
BERTH_SAMPLES_KEPT = timedelta(days=env.int("BERTH_SAMPLES_KEPT_DAYS", default=2))
BERTH_ROLLUPS_KEPT = timedelta(days=env.int("BERTH_ROLLUPS_KEPT_DAYS", default=3 * 366))
# Asked for every five minutes while all is well; whoever answers raises the alarm when it stops.
BERTH_DEAD_MANS_URL = env.str("BERTH_DEAD_MANS_URL", default="")
# What Prometheus shows when it asks for /metrics; there are none where it is empty.
BERTH_METRICS_TOKEN = env.str("BERTH_METRICS_TOKEN", default="")
BERTH_LEASE = timedelta(seconds=_LEASE_SECONDS)
# Health: how often instances are asked, and how often in a row it takes to be down, and up again
BERTH_PROBE_SECONDS = env.int("BERTH_PROBE_SECONDS", default=15)
BERTH_PROBE_TIMEOUT_SECONDS = env.float("BERTH_PROBE_TIMEOUT_SECONDS", default=5.0)
BERTH_PROBE_FAILURES = env.int("BERTH_PROBE_FAILURES", default=3)
BERTH_PROBE_SUCCESSES = env.int("BERTH_PROBE_SUCCESSES", default=2)
BERTH_PROBES_KEPT = timedelta(days=env.int("BERTH_PROBES_KEPT_DAYS", default=7))
BERTH_HEALTH_KEPT = timedelta(days=env.int("BERTH_HEALTH_KEPT_DAYS", default=3 * 366))
BERTH_SLA_TIERS = env.json("BERTH_SLA_TIERS", default=[[99.9, 10], [99.0, 25], [95.0, 100]])
# Notifications: which private networks they may go to after all, and how many in an hour a channel
BERTH_NOTIFY_PRIVATE = env.list("BERTH_NOTIFY_PRIVATE", default=[])
BERTH_NOTIFY_PER_HOUR = env.int("BERTH_NOTIFY_PER_HOUR", default=12)
BERTH_NOTIFICATIONS_KEPT = timedelta(days=env.int("BERTH_NOTIFICATIONS_KEPT_DAYS", default=90))
# How long files that were exported in the background can be fetched
BERTH_EXPORTS_KEPT = timedelta(days=env.int("BERTH_EXPORTS_KEPT_DAYS", default=7))

# Paying online: none where there is no key. Several secrets while they are being changed.
BERTH_STRIPE_KEY = env.str("BERTH_STRIPE_KEY", default="")
BERTH_STRIPE_WEBHOOK_SECRETS = env.list("BERTH_STRIPE_WEBHOOK_SECRETS", default=[])
BERTH_STRIPE_API = env.str("BERTH_STRIPE_API", default="")

# --- Celery: a doorbell, see docs/architecture.md ---------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 55 * 60  # below the visibility timeout, so that nothing runs twice
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60 * 60, "socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = env.str(
    "BERTH_BEAT_SCHEDULE", default=str(BASE_DIR / "var" / "celerybeat-schedule")
)
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "tenants.request_context.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request"],
        }
    },
    "root": {"handlers": ["console"], "level": env.str("BERTH_LOG_LEVEL", default="INFO")},
    "loggers": {"httpx": {"level": "WARNING"}},  # a line for every probe helps nobody
}
