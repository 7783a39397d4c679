"""What django-allauth says when it refuses, in our words, and what it does besides when a password is set."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from marketplace.accounts.api_keys import revoke_api_keys
from marketplace.accounts.models import User

RATE_LIMITED = "That was too often in a short time. Wait some minutes, then try again."


class AccountWords(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is switched off.",
        "duplicate_email": "This address already belongs to your account.",
        "email_password_mismatch": "The address and the password do not match. Check both, or reset the password.",
        "email_taken": "An account with this address exists already. Log in, or reset its password.",
        "enter_current_password": "This is not your current password.",
        "incorrect_code": "This code is not right. Take the newest one.",
        "incorrect_password": "This is not your password.",
        "invalid_password_reset": "This link is no longer good.",
        "max_email_addresses": "An account has at most %d addresses.",
        "same_as_current": "This is what you have already.",
        "too_many_login_attempts": "Too many attempts failed. Wait five minutes, then try again.",
        "rate_limited": RATE_LIMITED,
        "unverified_primary_email": "Confirm your main address first.",
    }

    @transaction.atomic
    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Called by every change and reset. Django ends the person's other sessions with it; keys end here."""
        assert isinstance(user, User)
        super().set_password(user, password)
        revoke_api_keys(user=user, at=timezone.now())


class FactorWords(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": "Turn the second factor off before you change the address.",
        "cannot_delete_authenticator": "This second factor cannot be turned off.",
        "cannot_generate_recovery_codes": "Recovery codes need an authenticator app or a passkey first.",
        "incorrect_code": "This code is not right. Take the newest one that the app shows.",
        "unverified_email": "Confirm your e-mail address first. A second factor needs an address that is surely yours.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002 - allauth's name
        """Return the name that a new passkey gets when its owner gives none."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}"
