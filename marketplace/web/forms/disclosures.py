from typing import Any

from django import forms


class DisclosureForm(forms.Form):
    subject = forms.ChoiceField(
        label="Whose handle do you want to show?",
        error_messages={"required": "Choose whom or what you want to show."},
        widget=forms.RadioSelect,
    )
    understood = forms.BooleanField(
        label="I know that this key opens every entry about it, not only this one, and that I cannot take it back.",
        error_messages={"required": "Tick this box if you still want to hand the key out."},
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["subject"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
