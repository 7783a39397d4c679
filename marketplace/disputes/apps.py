from django.apps import AppConfig

ENTRY_COLUMNS = {
    "dispute.opened": "entry_id",
    "dispute.answered": "answer_entry_id",
    "dispute.decided": "decision_entry_id",
    "dispute.closed": "closing_entry_id",
}


class DisputesConfig(AppConfig):
    name = "marketplace.disputes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        for kind, column in ENTRY_COLUMNS.items():
            register_source(kind=kind, table="disputes_dispute", column=column)
