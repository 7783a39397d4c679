from django.urls import path

from marketplace.api.views import invoices, payouts, wallet

urlpatterns = [
    path("wallet", wallet.WalletView.as_view()),
    path("wallet/moves", wallet.EarningsMoveView.as_view()),
    path("wallet/statement", wallet.StatementView.as_view()),
    path("wallet/top-ups", wallet.TopUpListView.as_view()),
    path("wallet/top-ups/<uuid:public_id>/outcome", wallet.TopUpOutcomeView.as_view()),
    path("wallet/payouts", payouts.PayoutListView.as_view()),
    path("wallet/payouts/<uuid:public_id>", payouts.PayoutView.as_view()),
    path("invoices", invoices.InvoiceListView.as_view()),
    path("invoices/<uuid:public_id>", invoices.InvoiceView.as_view()),
]
