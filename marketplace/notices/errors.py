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
