"""What others may do with notices: tell people, and let them read, choose and be sent to."""

from marketplace.notices.inbox import mark_all_read, mark_read, mark_unread, unread_count
from marketplace.notices.preferences import (
    choose_mailed_kinds,
    mute_by_link,
    muted_kinds,
    read_unsubscribe_link,
)
from marketplace.notices.webhooks import (
    add_webhook,
    change_webhook,
    delete_webhook,
    enable_webhook,
    replay_delivery,
    rotate_webhook_secret,
    send_test_webhook,
)
from marketplace.notices.words import Words, words_of
from marketplace.notices.writing import NoticeDraft, notify, notify_many

__all__ = [
    "NoticeDraft",
    "Words",
    "add_webhook",
    "change_webhook",
    "choose_mailed_kinds",
    "delete_webhook",
    "enable_webhook",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "mute_by_link",
    "muted_kinds",
    "notify",
    "notify_many",
    "read_unsubscribe_link",
    "replay_delivery",
    "rotate_webhook_secret",
    "send_test_webhook",
    "unread_count",
    "words_of",
]
