"""What holds for every page, whatever it is about."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

WIDE, PHONE, SMALL_PHONE = 1440, 390, 320
HEIGHT = 900
_AXE = Axe()
# Its copies of imported style sheets would be against the page's Content-Security-Policy.
_OPTIONS = {"resultTypes": ["violations"], "preload": False}
_OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const over = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 1);
  return over.slice(0, 4).map(e => e.tagName.toLowerCase() + "." + e.className).concat("the document itself");
}"""

# Colours that fade in are measured at their end.
_SETTLE = """() => {
  const isEndless = animation => animation.effect.getComputedTiming().endTime === Infinity;
  document.getAnimations().filter(animation => !isEndless(animation)).forEach(animation => animation.finish());
}"""


class Complaints:
    """What the browser's console says about a page: errors of scripts, and of the Content-Security-Policy."""

    def __init__(self, page: Page) -> None:
        self.texts: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.texts.append(f"script error: {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        address = str(message.location.get("url"))
        # That a page was answered with 4xx is asserted where it is opened.
        is_answer = "the server responded with a status of 4" in message.text and "/static/" not in address
        if message.type == "error" and not is_answer:
            self.texts.append(f"console: {message.text} ({address})")

    def take(self) -> list[str]:
        taken, self.texts = self.texts, []
        return taken


def faults_of(page: Page) -> list[str]:
    """Look at the open page wide and light, narrow and dark. Returns what is wrong with it."""
    faults = head_faults(page) + axe_faults(page, "light")
    faults += overflow_faults(page)
    page.emulate_media(color_scheme="dark")
    faults += axe_faults(page, "dark phone")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    return faults


def overflow_faults(page: Page) -> list[str]:
    faults = []
    for width in (SMALL_PHONE, PHONE):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        faults += [f"wider than {width}px: {element}" for element in page.evaluate(_OVERFLOW)]
    return faults


def links_of(page: Page) -> set[str]:
    """Addresses on this site that the page leads to."""
    found = page.locator("a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return {address.split("#")[0] for address in found if address.startswith("/")}


def head_faults(page: Page) -> list[str]:
    faults = []
    if not page.title().removesuffix("· Ownstream").strip():
        faults.append("has no title of its own")
    headings = page.locator("h1").count()
    if headings != 1:
        faults.append(f"has {headings} h1")
    return faults


def axe_faults(page: Page, how: str) -> list[str]:
    page.evaluate(_SETTLE)
    found = _AXE.run(page, options=_OPTIONS).response["violations"]
    return [
        f"axe, {how}: {rule['id']} at {' '.join(map(str, node['target']))}: {summary(node)}"
        for rule in found
        for node in rule["nodes"][:3]
    ]


def summary(node: dict[str, str]) -> str:
    return " / ".join(node.get("failureSummary", "").split("\n")[1:])[:240].strip()
