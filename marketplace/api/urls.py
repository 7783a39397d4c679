from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

from marketplace.api.views import catalogue, consents, disputes, listings, owned_devices, people, purchases
from marketplace.api.views.docs import api_docs
from marketplace.api.views.payment_webhooks import payment_webhook

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(permission_classes=[AllowAny]), name="api_schema"),
    path("docs/", api_docs, name="api_docs"),
    path("", include("marketplace.api.urls_devices")),
    path("", include("marketplace.api.urls_money")),
    path("", include("marketplace.api.urls_notices")),
    path("payments/webhooks/<slug:provider>", payment_webhook, name="payment_webhook"),
    path("me", people.MeView.as_view()),
    path("devices", owned_devices.DeviceListView.as_view()),
    path("devices/<uuid:public_id>", owned_devices.DeviceView.as_view()),
    path("devices/<uuid:public_id>/claims", owned_devices.ClaimListView.as_view()),
    path("devices/takeover", owned_devices.TakeoverView.as_view()),
    path("devices/<uuid:public_id>/handover", owned_devices.HandoverView.as_view()),
    path("devices/<uuid:public_id>/retirement", owned_devices.RetirementView.as_view()),
    path("devices/<uuid:public_id>/batches", owned_devices.BatchListView.as_view()),
    path("devices/<uuid:public_id>/readings", owned_devices.ReadingListView.as_view()),
    path("purposes", consents.PurposeListView.as_view()),
    path("consents", consents.ConsentListView.as_view()),
    path("consents/<uuid:public_id>", consents.ConsentView.as_view()),
    path("consents/<uuid:public_id>/withdrawal", consents.ConsentWithdrawalView.as_view()),
    path("consents/<uuid:public_id>/narrowing", consents.ConsentNarrowingView.as_view()),
    path("catalogue", catalogue.CatalogueView.as_view()),
    path("catalogue/<uuid:public_id>", catalogue.CatalogueListingView.as_view()),
    path("catalogue/<uuid:public_id>/sample", catalogue.SampleView.as_view()),
    path("listings", listings.OwnListingListView.as_view()),
    path("listings/<uuid:public_id>", listings.OwnListingView.as_view()),
    path("listings/<uuid:public_id>/plans", listings.PlanListView.as_view()),
    path("listings/<uuid:public_id>/offers", listings.OfferListView.as_view()),
    path("listings/<uuid:public_id>/plans/<uuid:plan_id>/price", listings.PriceView.as_view()),
    path("listings/<uuid:public_id>/publication", listings.PublicationView.as_view()),
    path("listings/<uuid:public_id>/withdrawal", listings.ListingWithdrawalView.as_view()),
    path("access", purchases.AccessListView.as_view()),
    path("purchases", purchases.PurchaseListView.as_view()),
    path("purchases/<uuid:public_id>", purchases.PurchaseView.as_view()),
    path("purchases/<uuid:public_id>/cap", purchases.CapView.as_view()),
    path("purchases/<uuid:public_id>/renewal", purchases.RenewalView.as_view()),
    path("purchases/<uuid:public_id>/tokens", purchases.TokenListView.as_view()),
    path("purchases/<uuid:public_id>/refund", purchases.PurchaseRefundView.as_view()),
    path("purchases/<uuid:public_id>/disputes", disputes.DisputeOpeningView.as_view()),
    path("disputes", disputes.DisputeListView.as_view()),
    path("disputes/<uuid:public_id>", disputes.DisputeView.as_view()),
    path("disputes/<uuid:public_id>/answer", disputes.DisputeAnswerView.as_view()),
    path("disputes/<uuid:public_id>/closing", disputes.DisputeClosingView.as_view()),
    path("tokens/<uuid:public_id>/rotation", purchases.TokenRotationView.as_view()),
    path("tokens/<uuid:public_id>/revocation", purchases.TokenRevocationView.as_view()),
]
