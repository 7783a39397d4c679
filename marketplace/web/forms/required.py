"""What every form says of a field that was left empty, Django's and django-allauth's own forms included."""

from django import forms

WORDS: dict[type[forms.Field], str] = {
    forms.Field: "Fill this in.",
    forms.BooleanField: "Tick this to go on.",
    forms.ChoiceField: "Choose one.",
    forms.ModelChoiceField: "Choose one.",
    forms.MultipleChoiceField: "Choose at least one.",
    forms.ModelMultipleChoiceField: "Choose at least one.",
}


def say_what_to_do() -> None:
    for field, sentence in WORDS.items():
        field.default_error_messages = {**field.default_error_messages, "required": sentence}
