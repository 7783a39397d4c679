"""From the refusal of a service to the error of a form."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import SafeString

from devices.errors import DeviceError
from marketplace.errors import MarketError

Refusal = MarketError | DeviceError
REFUSALS = (MarketError, DeviceError)


def refusal_text(error: Refusal) -> SafeString:
    """What happened in a sentence, and the stable code in small print."""
    return format_html('{} <small class="refusal-code">Code: <code>{}</code></small>', str(error), error.code)


def add_refusal(form: forms.Form, error: Refusal) -> None:
    form.add_error(None, ValidationError(refusal_text(error), code=error.code))
