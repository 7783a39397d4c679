from django.contrib import admin

from marketplace.consents.models import Consent, ConsentBuyer, ConsentDevice
from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines


class DeviceLines(ReadOnlyLines):
    model = ConsentDevice


class BuyerLines(ReadOnlyLines):
    model = ConsentBuyer


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "owner", "resolution", "audience", "granted_at", "valid_until", "withdrawn_at")
    list_filter = ("resolution", "audience", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "granted_at"
    search_fields = ("=public_id", "=entry_id", "=withdrawal_entry_id", "owner__email")
    inlines = (DeviceLines, BuyerLines)
