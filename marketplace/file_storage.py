"""Where files lie: in a folder, or in an object store when a bucket is named. Part of the settings."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from marketplace.environment import env_text


def default_storage_settings(*, is_production: bool) -> dict[str, Any]:
    """Without keys, boto's own places are asked: its variables, its files, the machine's role."""
    options = {
        "endpoint_url": env_text("S3_ENDPOINT"),
        "region_name": env_text("S3_REGION"),
        "access_key": env_text("S3_ACCESS_KEY"),
        "secret_key": env_text("S3_SECRET_KEY"),
        "location": env_text("S3_PREFIX").strip("/"),
    }
    given = {name: value for name, value in options.items() if value}
    bucket = env_text("S3_BUCKET")
    if not bucket:
        if given:
            raise ImproperlyConfigured("S3_ENDPOINT, S3_REGION, S3_PREFIX and the S3 keys need S3_BUCKET.")
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    if ("access_key" in given) != ("secret_key" in given):
        raise ImproperlyConfigured("S3_ACCESS_KEY and S3_SECRET_KEY need each other.")
    schemes = ("https",) if is_production else ("http", "https")
    if "endpoint_url" in given and urlsplit(given["endpoint_url"]).scheme not in schemes:
        raise ImproperlyConfigured(f"S3_ENDPOINT must be {' or '.join(schemes)}://host.")
    return {"BACKEND": "marketplace.object_storage.ObjectStorage", "OPTIONS": {"bucket_name": bucket, **given}}
