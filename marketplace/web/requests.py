"""The request as views behind login_required see it."""

from django.http import HttpRequest

from marketplace.accounts.models import User


class OwnerRequest(HttpRequest):
    """A request of a person who is logged in. Only a name for the type checker."""

    user: User
