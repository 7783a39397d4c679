from django.urls import path

from marketplace.web.views import disputes, refunds

urlpatterns = [
    path("purchases/<uuid:public_id>/refund/", refunds.purchase_refund, name="purchase_refund"),
    path("purchases/<uuid:public_id>/dispute/", disputes.purchase_dispute, name="purchase_dispute"),
    path("disputes/", disputes.dispute_list, name="dispute_list"),
    path("disputes/<uuid:public_id>/answer/", disputes.dispute_answer, name="dispute_answer"),
    path("disputes/<uuid:public_id>/closing/", disputes.dispute_closing, name="dispute_closing"),
]
