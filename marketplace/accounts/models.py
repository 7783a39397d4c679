from __future__ import annotations

import uuid
from typing import Any, ClassVar, Self

from allauth.account.models import EmailAddress
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class UserAccounts(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Logs in by e-mail address; the same account sells and buys."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(max_length=254)
    display_name = models.CharField("name that others see", max_length=60, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    country = models.CharField(max_length=2, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    # From then on nobody logs in, nothing here says whose it was, and the database refuses every change.
    erased_at = models.DateTimeField(null=True, editable=False)

    objects = UserAccounts()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_is_unique")]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        """What strangers see: the chosen name, else a short handle that says nothing about the person."""
        return self.display_name or f"Member {str(self.public_id)[:6]}"

    def has_proven_address(self) -> bool:
        """Say whether the main address is proven to be the person's."""
        return EmailAddress.objects.filter(user=self, primary=True, verified=True).exists()

    def verified_addresses(self) -> list[str]:
        """The addresses that are proven to be the person's, in lower case, as consents name people."""
        verified = EmailAddress.objects.filter(user=self, verified=True)
        return [email.lower() for email in verified.values_list("email", flat=True)]


class BillingProfile(models.Model):
    """What a person declared for invoices. address: lines. vat_id: as python-stdnum writes it, or empty.

    declared_at is kept with the country as evidence of where the person is taxed.
    """

    user = models.OneToOneField(User, models.CASCADE, related_name="billing_profile")
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=400)
    country = models.CharField(max_length=2)
    vat_id = models.CharField(max_length=20, blank=True)
    declared_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Billing particulars of {self.user_id}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        return self.filter(revoked_at=None, user__is_active=True)


class ApiKey(models.Model):
    """A person's key for the JSON API. Only its SHA-256 is kept."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=60)
    key_hash = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=16)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.prefix}…"
