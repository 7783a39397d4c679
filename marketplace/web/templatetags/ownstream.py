"""The words of our templates. Loaded for every template by settings."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from functools import cache
from typing import Any

import orjson
from django import template
from django.conf import settings
from django.http import QueryDict
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from marketplace.web import charts, formats
from marketplace.web.seals import Seal, SealState

register = template.Library()

ICON_FOLDER = settings.BASE_DIR / "static" / "icons"
ICON_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
TABLE_ROWS = 200


# As Django's json_script does it: nothing in the data can end the element.
_AS_ESCAPES = {ord(sign): f"\\u{ord(sign):04X}" for sign in "<>&"}


@register.simple_tag
def structured_data(content: Mapping[str, Any]) -> SafeString:
    """A data block for search engines. No browser runs it, so it needs no exception from the content policy."""
    text = orjson.dumps(content).decode().translate(_AS_ESCAPES)
    return format_html('<script type="application/ld+json">{}</script>', mark_safe(text))


@register.filter
def money(micros: int | None, currency: str = "EUR") -> str:
    return "–" if micros is None else formats.money_text(int(micros), currency)


@register.filter
def number(value: Any) -> str:
    return formats.number_text(value)


@register.filter
def reading(value: float | None) -> str:
    return formats.reading_text(value)


@register.filter
def percent(share: float | None) -> str:
    return formats.percent_text(share)


@register.filter
def byte_size(byte_count: int | None) -> str:
    return "–" if byte_count is None else formats.size_text(byte_count)


@register.filter
def duration(seconds: float | None) -> str:
    return "–" if seconds is None else formats.duration_text(seconds)


@register.filter
def iso(instant: datetime | None) -> str:
    return "–" if instant is None else formats.iso_text(instant)


@register.filter
def short_key(text: str | bytes) -> str:
    return formats.short_key(text.hex() if isinstance(text, bytes) else str(text))


@cache
def icon_body(name: str) -> str:
    match = ICON_BODY.search((ICON_FOLDER / f"{name}.svg").read_text())
    if match is None:
        raise template.TemplateSyntaxError(f"{name}.svg is not an icon.")
    return " ".join(match.group(1).split())


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon from static/icons, drawn in the text's colour. It is decoration: put a word beside it."""
    return mark_safe(
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{icon_body(name)}</svg>'
    )


@register.simple_tag
def when(instant: datetime | None, missing: str = "never") -> str:
    """How long ago, with the exact UTC and local time on hover and on focus."""
    if instant is None:
        return missing
    exact = formats.exact_text(instant, timezone.get_current_timezone())
    return format_html(
        '<time class="when" datetime="{}" tabindex="0" title="{}" data-exact="{}">{}</time>',
        formats.iso_text(instant),
        exact,
        exact,
        formats.relative_text(instant, timezone.now()),
    )


@register.simple_tag
def exactly(instant: datetime | None, missing: str = "never") -> str:
    """The exact moment in full, for receipts and other pages that are read later."""
    if instant is None:
        return missing
    zone = timezone.get_current_timezone()
    return format_html('<time datetime="{}">{}</time>', formats.iso_text(instant), formats.exact_text(instant, zone))


@register.simple_tag
def until(instant: datetime) -> str:
    """The moment that something ends with: a midnight as the end of the day before it, another one in full."""
    zone = timezone.get_current_timezone()
    is_day_end = instant.astimezone(zone).time() == time.min
    text = formats.end_text(instant, zone) if is_day_end else formats.exact_text(instant, zone)
    return format_html('<time datetime="{}">{}</time>', formats.iso_text(instant), text)


@register.inclusion_tag("components/_seal.html")
def seal(state: SealState, number: int | None = None, href: str = "", large: bool = False) -> dict[str, Seal]:
    return {"seal": Seal(state, number, href, large)}


@register.inclusion_tag("components/_receipt.html")
def receipt_link(number: int | None, state: SealState = "final") -> dict[str, Any]:
    """The receipt of an entry as a file; nothing while the record waits. With state it says when it is not final."""
    return {"number": number, "state": state}


@register.inclusion_tag("components/_breadcrumb.html")
def breadcrumb(*parts: str) -> dict[str, list[tuple[str, str]]]:
    """The way to this page: label and address of each page above it, then the label of the page itself."""
    labels, addresses = parts[0::2], (*parts[1::2], "")
    return {"crumbs": list(zip(labels, addresses, strict=True))}


@register.inclusion_tag("components/_figure.html")
def figure(label: str, value: Any, unit: str = "", note: str = "", points: Sequence[float] = ()) -> dict[str, Any]:
    shown = value if isinstance(value, str) else formats.number_text(value)
    return {"label": label, "value": shown, "unit": unit, "note": note, "points": points}


@register.simple_tag
def sparkline(points: Sequence[float | None] | None, title: str = "") -> SafeString:
    return mark_safe(charts.sparkline_svg(points or (), title))


@register.inclusion_tag("components/_series.html")
def series(chart: charts.TimeChart | Mapping[str, Any], ranges: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A time chart. ranges: label, url, is_current of each range button."""
    if not isinstance(chart, charts.TimeChart):
        fields = ("title", "unit", "points", "gap_seconds", "start", "until")
        chart = charts.TimeChart(**{name: chart[name] for name in fields if name in chart})
    stride = max(1, -(-len(chart.known) // TABLE_ROWS))
    zone = timezone.get_current_timezone()
    return {
        "chart": chart,
        "ranges": ranges,
        "rows": chart.known[::stride],
        "is_thinned": stride > 1,
        "has_gaps": bool(chart.known and charts.find_gaps(chart)),
        "zone": zone,
        "drawing": mark_safe(charts.series_svg(chart, zone)),
    }


@register.inclusion_tag("components/_key.html")
def key_text(text: str | bytes, label: str = "Key") -> dict[str, str]:
    full = text.hex() if isinstance(text, bytes) else str(text)
    return {"full": full, "short": formats.short_key(full), "label": label}


@register.inclusion_tag("components/_code.html")
def code_block(text: str, title: str = "", wrap: bool = False) -> dict[str, Any]:
    return {"text": text, "title": title, "wrap": wrap, "id": f"code-{secrets.token_hex(4)}"}


@register.simple_tag(takes_context=True)
def query_with(context: Context, **changes: Any) -> str:
    """The address's query with some values changed; None or "" takes one out. Starts with ?."""
    query: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"


@register.simple_tag(takes_context=True)
def current(context: Context, prefix: str) -> SafeString:
    """aria-current for a navigation link whose address starts the page's own."""
    request = context.get("request")
    path = request.path if request else ""
    if not prefix or not path.startswith(prefix):
        return SafeString("")
    return mark_safe('aria-current="page"' if path == prefix else 'aria-current="true"')
