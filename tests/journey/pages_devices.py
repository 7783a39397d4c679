"""Pages of an owner's devices, in every state."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.journey.market import Market
from tests.journey.people import fill_in, send_form
from tests.journey.visits import Act, Visit, send_empty, visit


def add_garden_sensor(page: Page) -> None:
    form = fill_in(page, {"name": "Balcony", "country": "DE", "region": "Berlin"})
    form.locator('[name="kind"]').first.check()
    send_form(form)
    page.locator(".claim-code").wait_for()


def device_pages(market: Market) -> Iterator[Visit]:
    enrolled = market.devices["enrolled"].public_id
    yield visit("sara", "device_list")
    yield visit("ben", "device_list", state="empty")
    yield visit("sara", "device_add")
    yield visit("sara", "device_add", state="refused", act=send_empty("region"))
    yield visit("sara", "device_add", state="with its claim code", act=add_garden_sensor)
    for state in ("enrolled", "silent", "retired", "handed over", "waiting"):
        yield visit("sara", "device_page", market.devices[state].public_id, state=state)
    yield visit("sara", "device_page", enrolled, query="?range=all", state="everything")
    yield visit("sara", "device_readings", enrolled)
    yield visit("sara", "device_batches", enrolled)
    yield visit("sara", "batch_page", enrolled, 1)
    yield visit("sara", "device_retirement", enrolled)
    yield visit("sara", "device_readings_deletion", enrolled)
    yield visit("sara", "device_readings_deletion", market.devices["waiting"].public_id, state="none")
    yield visit("sara", "device_handover", enrolled)
    yield visit("sara", "device_handover", enrolled, state="refused", act=send_empty("email"))
    yield visit("sara", "device_handover", enrolled, state="with its code", act=offer_to_ben)
    yield visit("sara", "device_handover", market.devices["retired"].public_id, state="retired")
    yield visit("sara", "device_handover", market.devices["handed over"].public_id, state="handed over")
    yield visit("ben", "device_takeover")
    yield visit("ben", "device_takeover", state="refused", act=send_empty("code"))
    yield visit("sara", "device_disclosure", enrolled)
    yield visit("sara", "device_disclosure", market.devices["waiting"].public_id, state="waiting")
    yield visit("sara", "device_retirement", market.devices["retired"].public_id, state="retired")
    yield visit("ben", "device_takeover", state="what the code gives", act=show_offer(market.handover_code))
    yield visit("ben", "device_takeover", state="named badly", act=name_badly(market.handover_code))


def offer_to_ben(page: Page) -> None:
    send_form(fill_in(page, {"email": "ben@example.test"}))
    page.locator("#secret-value").wait_for()


def show_offer(code: str) -> Act:
    def act(page: Page) -> None:
        send_form(fill_in(page, {"code": code}))
        page.locator('[name="country"]').wait_for()

    return act


def name_badly(code: str) -> Act:
    def act(page: Page) -> None:
        show_offer(code)(page)
        page.locator('[name="name"]').fill("")
        send_empty("country")(page)

    return act
