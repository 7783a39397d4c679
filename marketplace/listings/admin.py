from django.contrib import admin

from marketplace.listings.models import Listing, ListingRevision, Plan
from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines


class PlanLines(ReadOnlyLines):
    model = Plan


class RevisionLines(ReadOnlyLines):
    model = ListingRevision


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = ("title", "seller", "category", "country", "published_at", "withdrawn_at", "public_id")
    list_filter = ("category", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("seller",)
    date_hierarchy = "published_at"
    search_fields = (
        "title",
        "=public_id",
        "=entry_id",
        "=revisions__entry_id",
        "=withdrawal_entry_id",
        "seller__email",
    )
    exclude = ("search_vector",)
    inlines = (PlanLines, RevisionLines)
