"""Pages of people who own devices: their devices, consents, listings and earnings."""

from django.urls import path

from marketplace.web.views import (
    batches,
    consents,
    devices,
    enrolment,
    home,
    listing_acts,
    listing_drafts,
    listings,
    readings,
    sales,
)

urlpatterns = [
    path("home/", home.home, name="home"),
    path("devices/", devices.device_list, name="device_list"),
    path("devices/add/", enrolment.device_add, name="device_add"),
    path("devices/<uuid:public_id>/", devices.device_page, name="device_page"),
    path("devices/<uuid:public_id>/claim/", enrolment.device_claim, name="device_claim"),
    path("devices/<uuid:public_id>/status/", enrolment.device_status, name="device_status"),
    path("devices/<uuid:public_id>/retirement/", devices.device_retirement, name="device_retirement"),
    path("devices/<uuid:public_id>/readings/", readings.device_readings, name="device_readings"),
    path("devices/<uuid:public_id>/batches/", batches.device_batches, name="device_batches"),
    path("devices/<uuid:public_id>/batches/<int:sequence>/", batches.batch_page, name="batch_page"),
    path("devices/<uuid:public_id>/batches/<int:sequence>/envelope/", batches.reading_batch, name="reading_batch"),
    path("consents/", consents.consent_list, name="consent_list"),
    path("consents/add/", consents.consent_add, name="consent_add"),
    path("consents/<uuid:public_id>/", consents.consent_page, name="consent_page"),
    path("consents/<uuid:public_id>/receipt/", consents.consent_receipt, name="consent_receipt"),
    path("consents/<uuid:public_id>/withdrawal/", consents.consent_withdrawal, name="consent_withdrawal"),
    path("my/listings/", listings.listing_list, name="listing_list"),
    path("my/listings/add/", listing_drafts.listing_add, name="listing_add"),
    path("my/listings/<uuid:public_id>/", listings.own_listing, name="own_listing"),
    path("my/listings/<uuid:public_id>/status/", listings.listing_status, name="listing_status"),
    path("my/listings/<uuid:public_id>/text/", listing_drafts.listing_text, name="listing_text"),
    path("my/listings/<uuid:public_id>/terms/", listing_drafts.listing_terms, name="listing_terms"),
    path("my/listings/<uuid:public_id>/quotes/", listing_drafts.listing_quotes, name="listing_quotes"),
    path("my/listings/<uuid:public_id>/preview/", listing_drafts.listing_preview, name="listing_preview"),
    path("my/listings/<uuid:public_id>/publication/", listing_acts.listing_publication, name="listing_publication"),
    path("my/listings/<uuid:public_id>/deletion/", listing_acts.listing_deletion, name="listing_deletion"),
    path("my/listings/<uuid:public_id>/withdrawal/", listing_acts.listing_withdrawal, name="listing_withdrawal"),
    path("sales/", sales.sales, name="sales"),
    path("sales/purchases/", sales.sale_list, name="sale_list"),
    path("sales/reads/", sales.read_list, name="read_list"),
]
