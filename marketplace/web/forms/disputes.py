from django import forms

from marketplace.disputes.models import Dispute
from marketplace.disputes.services import LONGEST_TEXT

TOO_LONG = f"Say it in at most {LONGEST_TEXT:,} characters."


def _words(label: str, help_text: str, missing: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": missing, "max_length": TOO_LONG},
    )


class DisputeForm(forms.Form):
    reason = forms.ChoiceField(
        label="What is wrong?",
        choices=Dispute.Reason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one of the reasons.", "invalid_choice": "Choose one of the reasons."},
    )
    text = _words(
        "In your own words",
        "Which readings, of when, and what you expected. The owner and an operator read it; the log does not hold it.",
        "Say what is wrong, in your own words.",
    )


class AnswerForm(forms.Form):
    text = _words(
        "Your answer",
        "The buyer and an operator read it. You answer once.",
        "Say what there is to say about it.",
    )
