from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from marketplace.celery import app

pytestmark = pytest.mark.django_db


def test_the_schedule_clears_sessions_that_have_expired() -> None:
    now = timezone.now()
    for key, seconds in (("over", -1), ("running", 60)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(seconds=seconds))
    app.loader.import_default_modules()

    app.tasks[settings.CELERY_BEAT_SCHEDULE["web-clear-sessions"]["task"]]()

    assert Session.objects.get().session_key == "running"


def test_everything_on_the_schedule_is_a_task_that_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} - set(app.tasks) == set()
