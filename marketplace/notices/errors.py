"""Why a choice about notices is refused."""

from marketplace.errors import MarketError


class NoticesError(MarketError):
    code = "notice_refused"


class LinkInvalid(NoticesError):
    code = "unsubscribe_link_invalid"
    sentence = "This link does not work. Log in and choose your letters under Notices."


class MailRequired(NoticesError):
    code = "mail_required"
    sentence = "These letters can't be switched off: you must be told this."


class WebhookUrlRefused(NoticesError):
    code = "webhook_url_refused"
    sentence = "This address can't be used for a webhook."


class TooManyWebhooks(NoticesError):
    code = "too_many_webhooks"
    sentence = "There are ten webhooks already. Delete one first."


class WebhookOff(NoticesError):
    code = "webhook_off"
    sentence = "This webhook is switched off. Switch it on first."


class KindsMissing(NoticesError):
    code = "webhook_kinds_missing"
    sentence = "Choose at least one kind of notice."
