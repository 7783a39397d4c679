from django.urls import path

from marketplace.web.views import (
    api_keys_pages,
    catalogue,
    erasure,
    listing_page,
    purchases,
    settings,
    tokens,
    top_ups,
    wallet,
)

urlpatterns = [
    path("catalogue/", catalogue.catalogue, name="catalogue"),
    path("listings/<uuid:public_id>/", listing_page.listing_page, name="listing_page"),
    path("listings/<uuid:public_id>/purchases/", purchases.purchase_create, name="purchase_create"),
    path("purchases/", purchases.purchase_list, name="purchase_list"),
    path("purchases/<uuid:public_id>/", purchases.purchase_page, name="purchase_page"),
    path("purchases/<uuid:public_id>/status/", purchases.purchase_status, name="purchase_status"),
    path("purchases/<uuid:public_id>/news/", purchases.purchase_news, name="purchase_news"),
    path("purchases/<uuid:public_id>/receipt/", purchases.purchase_receipt, name="purchase_receipt"),
    path("purchases/<uuid:public_id>/tokens/", tokens.token_create, name="token_create"),
    path("purchases/<uuid:public_id>/profile/", tokens.profile_download, name="profile_download"),
    path("tokens/<uuid:public_id>/rotation/", tokens.token_rotation, name="token_rotation"),
    path("tokens/<uuid:public_id>/revocation/", tokens.token_revocation, name="token_revocation"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/top-ups/", top_ups.top_up_create, name="top_up_create"),
    path("wallet/top-ups/<uuid:public_id>/", top_ups.top_up_page, name="top_up_page"),
    path("wallet/top-ups/<uuid:public_id>/outcome/", top_ups.top_up_outcome, name="top_up_outcome"),
    path("account/settings/", settings.account_settings, name="account_settings"),
    path("account/settings/erasure/", erasure.account_erasure, name="account_erasure"),
    path("account/erased/", erasure.account_erased, name="account_erased"),
    path("account/api-keys/", api_keys_pages.api_keys, name="api_keys"),
    path("account/api-keys/add/", api_keys_pages.api_key_create, name="api_key_create"),
    path("account/api-keys/<uuid:public_id>/revocation/", api_keys_pages.api_key_revocation, name="api_key_revocation"),
]
