from marketplace.errors import MarketError


class NoticesError(MarketError):
    code = "notice_refused"
