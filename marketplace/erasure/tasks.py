from celery import shared_task
from django.conf import settings

from marketplace.erasure.files import keep_record, remove_left_files


@shared_task
def finish_erasures_task() -> None:
    """Also what beat calls: it finds what a lost nudge, a full disk or a crash left."""
    remove_left_files()
    keep_record(settings.ERASURES_FILE)
