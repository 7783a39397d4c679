"""From the refusal of a service to the error of a form."""

from collections.abc import Mapping

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


def add_refusal(form: forms.Form, error: Refusal, fields: Mapping[str, str] = {}) -> None:
    """fields: the field of the form that a code is about; where there is none, the refusal is the whole form's."""
    form.add_error(fields.get(error.code), ValidationError(refusal_text(error), code=error.code))
