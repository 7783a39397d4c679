"""What staff may look at of devices. It stands here because the devices package knows no page of this site."""

from django.contrib import admin

from devices.models import Batch, Device, ReadingFile
from marketplace.readonly import ReadOnlyAdmin


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    list_display = [
        "public_id",
        "kind",
        "country",
        "enrolled_at",
        "handed_over_at",
        "retired_at",
        "last_seen_at",
        "reading_count",
    ]
    list_filter = ["kind", "country"]
    search_fields = ["public_id", "name"]


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ["device", "sequence", "reading_count", "issued_at", "received_at", "resolved_at"]
    list_select_related = ["device"]
    search_fields = ["=device__public_id"]
    exclude = ["envelope", "content_hash"]


@admin.register(ReadingFile)
class ReadingFileAdmin(ReadOnlyAdmin):
    list_display = ["device", "day", "row_count", "version", "updated_at"]
    list_select_related = ["device"]
    search_fields = ["=device__public_id"]
    exclude = ["sha256"]
