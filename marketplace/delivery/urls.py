from django.urls import path, re_path

from marketplace.delivery.doors import downloads
from marketplace.delivery.sharing import door as sharing

_TABLE = "shares/<str:share>/schemas/<str:schema>/tables/<str:table>"

urlpatterns = [
    path("shares", sharing.share_list, name="sharing_shares"),
    path("shares/<str:share>", sharing.share_page, name="sharing_share"),
    path("shares/<str:share>/schemas", sharing.schema_list, name="sharing_schemas"),
    path("shares/<str:share>/schemas/<str:schema>/tables", sharing.table_list, name="sharing_tables"),
    path("shares/<str:share>/all-tables", sharing.table_list, name="sharing_all_tables"),
    path(f"{_TABLE}/version", sharing.table_version, name="sharing_version"),
    # The version's address in the protocol's first edition, asked by HEAD.
    path(_TABLE, sharing.table_version, name="sharing_table"),
    path(f"{_TABLE}/metadata", sharing.table_metadata, name="sharing_metadata"),
    path(f"{_TABLE}/query", sharing.table_query, name="sharing_query"),
    path(f"{_TABLE}/changes", sharing.table_changes, name="sharing_changes"),
    path("files/<uuid:file_id>.parquet", downloads.sharing_file, name="sharing_file"),
    re_path(r"^.*$", sharing.unknown_address),
]
