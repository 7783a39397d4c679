"""One visit of a page: who opens it, at which address, after doing what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from playwright.sync_api import Page

from tests.journey.people import send_form

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Visit:
    """url: the URL's name, or what stands for it where there is none. act: done on the opened page.

    moves_on: the address leads to another one, by design.
    """

    person: str
    url: str
    address: str
    state: str = ""
    status: int = 200
    moves_on: bool = False
    act: Act | None = None

    @property
    def title(self) -> str:
        return " ".join(filter(None, [self.person, self.url, self.state]))


def visit(person: str, url: str, *arguments: object, query: str = "", **changes: Any) -> Visit:
    return Visit(person, url, reverse(url, args=arguments) + query, **changes)


def send_empty(field: str) -> Act:
    """Send the form that has this field as it is: what a refused form looks like."""

    def act(page: Page) -> None:
        form = page.locator(f'form:has([name="{field}"])').first
        form.evaluate("form => { form.noValidate = true; }")
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            send_form(form)
        page.wait_for_load_state()

    return act
