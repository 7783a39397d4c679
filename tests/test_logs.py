"""What a line of the log shows, and what it must not."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from marketplace.logs import EventFormatter

LINK = "/delta-sharing/files/7f?X-Amz-Signature=s3cret&expires=1"


def line(message: str, *arguments: object, error: bool = False, **extra: Any) -> str:
    failure = sys.exc_info() if error else None
    record = logging.LogRecord("market", logging.WARNING, "file.py", 1, message, arguments, failure)
    record.__dict__.update(extra)
    return EventFormatter().format(record)


def test_an_event_and_its_ids_are_one_line() -> None:
    assert line("sale.recorded", sale_id=7).endswith(" WARNING market sale.recorded sale_id=7")


def test_a_request_is_its_method_and_path() -> None:
    request: HttpRequest = RequestFactory().get(LINK)
    written = line("%s: %s", "Forbidden", request.path, request=request, status_code=403)
    assert written.endswith("Forbidden: /delta-sharing/files/7f request=GET /delta-sharing/files/7f status_code=403")


@pytest.mark.parametrize(
    "message", [f'"GET {LINK} HTTP/1.1" 416 0', f"http://market.example{LINK}", f"[{LINK}] refused", f"GET '{LINK}'"]
)
def test_no_query_of_an_address_is_shown(message: str) -> None:
    written = line("%s", message)
    assert "/delta-sharing/files/7f" in written
    assert "s3cret" not in written
    assert "expires" not in written


def test_no_query_is_shown_in_a_traceback() -> None:
    try:
        Path(LINK).read_text()
    except OSError:
        written = line("file.failed", error=True)
    assert "No such file or directory: '/delta-sharing/files/7f'" in written
    assert "s3cret" not in written


@pytest.mark.parametrize("text", ["what now? Nothing.", "SELECT 1 WHERE a = ?", "why?because"])
def test_other_question_marks_stay(text: str) -> None:
    assert line("%s", text).endswith(text)
