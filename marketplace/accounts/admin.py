from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from marketplace.accounts import device_admin  # noqa: F401 - registers the pages of devices.
from marketplace.accounts.models import User
from marketplace.accounts.services import revoke_api_keys


class _LowerCaseAddress:
    """Addresses are kept in lower case, as sign-up does."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


class NewPersonForm(_LowerCaseAddress, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "display_name")


class PersonForm(_LowerCaseAddress, UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


class PersonPasswordForm(AdminPasswordChangeForm):
    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        """End the person's keys, as every other way to a new password does."""
        user = super().save(commit)
        assert isinstance(user, User)
        if commit:
            revoke_api_keys(user=user, at=timezone.now())
        return user


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People, known by their e-mail address. An account is switched off, never deleted: its sales stay."""

    form = PersonForm
    add_form = NewPersonForm
    change_password_form = PersonPasswordForm
    list_display = ("email", "display_name", "country", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "display_name", "public_id")
    ordering = ("-date_joined",)
    readonly_fields = ("public_id", "date_joined", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "password", "public_id")}),
        ("What others see", {"fields": ("display_name", "country", "time_zone")}),
        ("What the person may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("When", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("email", "display_name", "usable_password", "password1", "password2")},
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return (obj is None or obj.erased_at is None) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False
