"""The panel shows what the log and the purchases hold of tokens; the tables of the OAuth library are its own affair."""

from django.contrib import admin
from oauth2_provider import models

for model in (models.Application, models.AccessToken, models.Grant, models.IDToken, models.RefreshToken):
    admin.site.unregister(model)
