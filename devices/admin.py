"""What staff may look at. Nothing here can be changed: a device's rows change through the services alone."""

from django.contrib import admin
from django.http import HttpRequest

from devices.models import Batch, Device, ReadingFile


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "kind", "country", "enrolled_at", "retired_at", "last_seen_at", "reading_count"]
    list_filter = ["kind", "country"]
    search_fields = ["public_id", "name"]


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ["device", "sequence", "reading_count", "issued_at", "received_at", "resolved_at"]
    list_select_related = ["device"]
    search_fields = ["=device__public_id"]
    exclude = ["envelope", "content_hash"]
    show_full_result_count = False


@admin.register(ReadingFile)
class ReadingFileAdmin(ReadOnlyAdmin):
    list_display = ["device", "day", "row_count", "version", "updated_at"]
    list_select_related = ["device"]
    search_fields = ["=device__public_id"]
    exclude = ["sha256"]
