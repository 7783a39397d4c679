from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.web.owner.standing import home_facts
from marketplace.web.requests import OwnerRequest


@require_safe
@login_required
def home(request: OwnerRequest) -> HttpResponse:
    return render(request, "owner/home.html", home_facts(request.user, timezone.now()))
