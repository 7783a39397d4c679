"""What beat starts when, and which worker takes it. Part of the settings."""

from typing import Any

from celery.schedules import crontab

# The sequencer is a worker of its own in production; embedded, one worker consumes all queues.
TASK_ROUTES = {
    # Asking the witnesses waits for other people's machines: it must not hold up the sequencer.
    "ledger.tasks.gather_cosignatures_task": {"queue": "witness"},
    "ledger.tasks.*": {"queue": "ledger"},
    # Other people's programs, too: slow ones must hold up nothing of ours.
    "marketplace.notices.tasks.deliver_webhooks_task": {"queue": "webhooks"},
}
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "worker-heartbeat": {"task": "marketplace.web.tasks.heartbeat_task", "schedule": 5.0},
    "ledger-sequence": {"task": "ledger.tasks.sequence_task", "schedule": 1.0, "options": {"expires": 5.0}},
    "ledger-gather": {"task": "ledger.tasks.gather_cosignatures_task", "schedule": 2.0, "options": {"expires": 5.0}},
    "ledger-audit": {"task": "ledger.audit_task", "schedule": 5.0, "options": {"expires": 5.0}},
    "devices-resolve": {"task": "devices.tasks.resolve_waiting_task", "schedule": 5.0},
    "notices-dispatch": {"task": "marketplace.notices.tasks.dispatch_notices_task", "schedule": 15.0},
    "notices-mail": {"task": "marketplace.notices.tasks.mail_notices_task", "schedule": 30.0},
    "notices-deliver": {
        "task": "marketplace.notices.tasks.deliver_due_webhooks_task",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "notices-forget": {
        "task": "marketplace.notices.tasks.forget_deliveries_task",
        "schedule": crontab(hour=3, minute=37),
    },
    "wallet-roll-up": {"task": "marketplace.wallet.tasks.roll_up_balances_task", "schedule": 30.0},
    "wallet-events": {"task": "marketplace.wallet.tasks.follow_waiting_events_task", "schedule": 30.0},
    "wallet-messages": {"task": "marketplace.wallet.tasks.send_due_messages_task", "schedule": 2.0},
    "wallet-reconcile": {"task": "marketplace.wallet.tasks.reconcile_task", "schedule": crontab(hour=2, minute=57)},
    "wallet-payouts": {"task": "marketplace.wallet.tasks.send_payouts_task", "schedule": 30.0},
    "wallet-weekly": {
        "task": "marketplace.wallet.tasks.request_scheduled_payouts_task",
        "schedule": crontab(hour="5,11", minute=7, day_of_week="mon"),
    },
    "purchases-release": {"task": "marketplace.purchases.tasks.release_earnings_task", "schedule": 300.0},
    "purchases-fill": {"task": "marketplace.purchases.tasks.fill_orders_task", "schedule": 5.0},
    "purchases-books": {"task": "marketplace.purchases.tasks.check_books_task", "schedule": crontab(hour=2, minute=47)},
    "purchases-remind": {
        "task": "marketplace.purchases.tasks.remind_of_ends_task",
        "schedule": crontab(hour=7, minute=11),
    },
    "purchases-renew": {"task": "marketplace.purchases.tasks.renew_due_task", "schedule": 60.0},
    "purchases-bill": {"task": "marketplace.purchases.tasks.bill_usage_task", "schedule": 60.0},
    "invoices-issue": {
        "task": "marketplace.invoices.tasks.issue_due_task",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "invoices-settle": {
        "task": "marketplace.invoices.tasks.issue_settlements_task",
        "schedule": crontab(day_of_month=1, hour=4, minute=7),
    },
    "access-forget": {"task": "marketplace.access.tasks.forget_short_tokens_task", "schedule": crontab(minute=23)},
    "delivery-refresh": {"task": "marketplace.delivery.tasks.refresh_tables_task", "schedule": 15.0},
    "delivery-fresh": {
        "task": "marketplace.delivery.tasks.refresh_fresh_tables_task",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "consents-remind": {"task": "marketplace.consents.tasks.remind_owners_task", "schedule": crontab(hour=6, minute=5)},
    "delivery-promise": {"task": "marketplace.delivery.tasks.refund_what_never_came_task", "schedule": 900.0},
    "delivery-summary": {
        "task": "marketplace.delivery.tasks.summarise_reads_task",
        "schedule": crontab(minute=13),
    },
    "delivery-fold": {
        "task": "marketplace.delivery.tasks.fold_live_reads_task",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "delivery-sweep": {"task": "marketplace.delivery.tasks.sweep_files_task", "schedule": 3600.0},
    "handovers-forget": {
        "task": "marketplace.handovers.tasks.forget_expired_offers_task",
        "schedule": crontab(minute=23),
    },
    "erasure-sweep": {"task": "marketplace.erasure.tasks.finish_erasures_task", "schedule": 300.0},
    "api-forget-answers": {"task": "marketplace.api.tasks.forget_answers_task", "schedule": crontab(hour=3, minute=17)},
    "web-clear-sessions": {"task": "marketplace.web.tasks.clear_sessions_task", "schedule": crontab(hour=3, minute=27)},
}
