"""Words and figures for people. Pure: numbers and datetimes in, text out."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal

from marketplace.wallet.units import MICROS_PER_UNIT

MINUS = "\N{MINUS SIGN}"
# A number with more places before or after its point is written with an exponent.
MOST_PLACES = 15
DURATION_STEPS = (
    ("year", 365 * 86_400),
    ("month", 30 * 86_400),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def money_text(micros: int, currency: str) -> str:
    """EUR 1,234.50; at least two decimals, and up to six when they matter."""
    whole, rest = divmod(abs(micros), MICROS_PER_UNIT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    sign = MINUS if micros < 0 else ""
    return f"{sign}{currency}\N{NO-BREAK SPACE}{whole:,}.{decimals}"


def cents_text(micros: int, currency: str) -> str:
    """For the big figures of money that grows by the second: whole cents, rounded down. Statements stay exact."""
    return money_text(micros - micros % (MICROS_PER_UNIT // 100), currency)


def date_text(instant: datetime) -> str:
    """3 March 2026, in UTC, as documents are dated."""
    return f"{instant.astimezone(UTC):%-d %B %Y}"


def number_text(value: int | float | Decimal | None) -> str:
    """Group the digits; keep at most four significant decimals of a small number."""
    if value is None:
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        text = f"{int(value):,}"
    else:
        size = abs(float(value))
        decimals = 1 if size >= 1000 else 2 if size >= 1 else 4
        text = f"{float(value):,.{decimals}f}".rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def reading_text(value: float | None) -> str:
    """What was measured, to the last digit: the file that is sold holds the very same number."""
    if value is None:
        return "–"
    exact = Decimal(repr(value))
    if not exact.is_finite() or not -MOST_PLACES <= exact.adjusted() <= MOST_PLACES:
        return repr(value).replace("-", MINUS)
    text = f"{exact:,f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def percent_text(share: float | None) -> str:
    """0.9987 as 99.8 %: rounded down, so that 100 % means all of them."""
    if share is None:
        return "–"
    permille = int(share * 1000 + 1e-9)
    return f"{permille / 10:g}\N{NO-BREAK SPACE}%"


def size_text(byte_count: int) -> str:
    size, unit = float(byte_count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def duration_text(seconds: float) -> str:
    """The one or two largest units: 2 days, 1 hour 30 minutes, 12 seconds."""
    left = round(abs(seconds))
    for position, (word, size) in enumerate(DURATION_STEPS):
        count, left_over = divmod(left, size)
        if not count:
            continue
        text = plural(count, word)
        if count < 3 and position + 1 < len(DURATION_STEPS):
            smaller_word, smaller = DURATION_STEPS[position + 1]
            smaller_count = left_over // smaller
            if smaller_count:
                text = f"{text} {plural(smaller_count, smaller_word)}"
        return text
    return "0 seconds"


def relative_text(instant: datetime, now: datetime) -> str:
    """3 minutes ago, in 2 days; the largest unit only."""
    seconds = (now - instant).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    for word, size in DURATION_STEPS:
        count = int(abs(seconds) // size)
        if count:
            text = plural(count, word)
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def exact_text(instant: datetime, zone: tzinfo) -> str:
    """The UTC time, then the reader's own when it differs."""
    utc = instant.astimezone(UTC)
    local = instant.astimezone(zone)
    text = f"{utc.day} {utc:%b %Y, %H:%M:%S} UTC"
    if local.utcoffset() == timedelta(0):
        return text
    return f"{text} · {local.day} {local:%b, %H:%M:%S} {zone}"


def end_text(instant: datetime, zone: tzinfo) -> str:
    """A moment that something ends with, to stand after "until": midnight is the end of the day before it."""
    local = instant.astimezone(zone)
    if local.time() == time.min:
        last = local - timedelta(days=1)
        return f"the end of {last.day} {last:%b %Y} ({zone})"
    return f"{local.day} {local:%b %Y, %H:%M} ({zone})"


def day_text(instant: datetime, zone: tzinfo) -> str:
    """The day of a moment that something ends with; of midnight the day before it."""
    last = (instant - timedelta(microseconds=1)).astimezone(zone)
    return f"{last.day} {last:%b %Y}"


def iso_text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short_key(text: str) -> str:
    """The first and last six characters of a key or hash; short ones whole."""
    return text if len(text) <= 16 else f"{text[:6]}…{text[-6:]}"
