from django.contrib.sitemaps import views as sitemaps
from django.urls import path

from marketplace.web.views import metadata

_MAPS = {"sitemaps": metadata.SITE_MAPS, "sitemap_url_name": "sitemap_part"}

urlpatterns = [
    path("catalog", metadata.catalog, name="catalog"),
    path("catalog/dataspace", metadata.dataspace_catalog, name="dataspace_catalog"),
    path("listings/<uuid:public_id>/sample.csv", metadata.sample_file, name="sample_file"),
    *(
        path(f"listings/<uuid:public_id>/{name}", metadata.listing_document, {"name": name}, name=f"listing_{name}")
        for name in metadata.DOCUMENTS
    ),
    path("sitemap.xml", sitemaps.index, _MAPS, name="sitemap"),
    path("sitemap-<section>.xml", sitemaps.sitemap, {"sitemaps": metadata.SITE_MAPS}, name="sitemap_part"),
]
