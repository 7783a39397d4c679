from django.urls import path
from django.views.generic import RedirectView

from marketplace.web.health import health, health_live
from marketplace.web.views.entries import log_entry, log_explorer
from marketplace.web.views.landing import landing
from marketplace.web.views.log_verification import log_verification
from marketplace.web.views.mail import mail_list, mail_page
from marketplace.web.views.origin_verification import origin_verification
from marketplace.web.views.well_known import favicon, robots

urlpatterns = [
    path("", landing, name="landing"),
    path("favicon.ico", favicon, name="favicon"),
    path("robots.txt", robots, name="robots"),
    path("health", health, name="health"),
    path("health/live", health_live, name="health_live"),
    path("log/", log_explorer, name="log_explorer"),
    path("log/entries/", RedirectView.as_view(pattern_name="log_explorer", query_string=True), name="log_entries"),
    path("log/entries/<int:index>/", log_entry, name="log_entry"),
    path("log/verify/", log_verification, name="log_verification"),
    path("verify-data/", origin_verification, name="origin_verification"),
    path("mail/", mail_list, name="mail_list"),
    path("mail/<str:name>/", mail_page, name="mail_page"),
]
