"""django-allauth's forms in our words. What they check and do stays the library's."""

import struct
from typing import Any, ClassVar

from allauth.account import forms as account
from allauth.mfa.base import forms as factor
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as passkeys
from django.forms import BaseForm

CHOICE_HELP = "At least 10 characters, not only digits, not a common password, and not like your address."
NAME_HELP = "Such as the device that keeps it. Only you see the name."
NO_PASSKEY = "This is not a passkey that we know. Try again, or take another way."
# Field, label, help.
WORDS = {
    "login": ("E-mail address", ""),
    "email": ("E-mail address", ""),
    "remember": ("Keep me logged in on this device", ""),
    "password": ("Password", ""),
    "oldpassword": ("Current password", ""),
    "password1": ("New password", CHOICE_HELP),
    "password2": ("New password again", ""),
    "code": ("Code", ""),
    "name": ("Name of the passkey", NAME_HELP),
    "passwordless": (
        "Log in with this passkey alone",
        "Without the password: the device asks for your finger, face or PIN. Needs a device that can do that.",
    ),
}


class _OurWords(BaseForm):
    """words: what this form says otherwise than WORDS."""

    words: ClassVar[dict[str, tuple[str, str]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text) in (WORDS | self.words).items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text
        for field in self.fields.values():
            # A placeholder that repeats the label is noise, and one instead of it is lost while typing.
            field.widget.attrs.pop("placeholder", None)


class LogInForm(_OurWords, account.LoginForm):
    pass


class SignUpForm(_OurWords, account.SignupForm):
    words = {"password1": ("Password", CHOICE_HELP)}
    field_order = ["email", "password1", "display_name", "country", "time_zone"]


class AddressForm(_OurWords, account.AddEmailForm):
    words = {"email": ("New e-mail address", "You confirm it with a code that we send there.")}


class ChangePasswordForm(_OurWords, account.ChangePasswordForm):
    pass


class SetPasswordForm(_OurWords, account.SetPasswordForm):
    pass


class ResetPasswordForm(_OurWords, account.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(_OurWords, account.ResetPasswordKeyForm):
    pass


class ConfirmPasswordForm(_OurWords, account.ReauthenticateForm):
    pass


class CodeForm(_OurWords, factor.AuthenticateForm):
    words = {"code": ("Code", "The six digits that your app shows now, or one of your recovery codes.")}


class ConfirmCodeForm(_OurWords, factor.ReauthenticateForm):
    words = CodeForm.words


class ActivateAppForm(_OurWords, totp.ActivateTOTPForm):
    words = {"code": ("Code that the app shows", "Six digits. A new one comes every 30 seconds.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "class": "input-code"}


class AddressCodeForm(_OurWords, account.ConfirmEmailVerificationCodeForm):
    words = {"code": ("Code from the letter", "Eight letters, with or without the hyphen.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= {"class": "input-code", "autocapitalize": "characters", "autofocus": True}


class _RefusesGarbage(BaseForm):
    """A credential that is no such thing is a refusal; the library lets some of its parsers' errors through."""

    def full_clean(self) -> None:
        try:
            super().full_clean()
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, struct.error):
            self.cleaned_data = {}
            self.add_error(None, NO_PASSKEY)


class AddPasskeyForm(_RefusesGarbage, _OurWords, passkeys.AddWebAuthnForm):
    pass


class PasskeyLogInForm(_RefusesGarbage, passkeys.LoginWebAuthnForm):
    pass


class PasskeyFactorForm(_RefusesGarbage, passkeys.AuthenticateWebAuthnForm):
    pass


class ConfirmPasskeyForm(_RefusesGarbage, passkeys.ReauthenticateWebAuthnForm):
    pass


class RenamePasskeyForm(_OurWords, passkeys.EditWebAuthnForm):
    pass
