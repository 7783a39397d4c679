"""The notice that an owner reads before granting a consent. Pure.

A text that was shown to anybody is kept for ever under its hash, so a change here gets a new version, never a new
meaning for an old one.
"""

import hashlib

LANGUAGE = "en"
VERSION = 1
TEXT = """\
What you allow here is yours to give and to take back.

Who asks: this market, which keeps your consent and hands your readings to buyers on your terms.
What is read: the fields that you tick, of the devices that you tick, as finely and as late as you say.
What for: the purposes that you tick, and no other. A purpose that you leave empty counts as refused.
Who gets it: anyone with an account, or only the people whom you name. Each of them buys a licence that binds him to \
these terms.
How long: until the day that you choose. We remind you before it ends. What buyers loaded before stays with them under \
their licence until then.
Where: readings and copies for buyers are stored in the European Union.
How it ends: with one click on the page of the consent, at any time and without a reason. From the next request on \
nobody reads under it, buyers get back what they paid for unused time, and they must delete what they loaded within 30 \
days.
What is proven: that you granted, changed or ended it is written to a public log in which you are a code. Your name, \
your address and your readings are not in it.
Your rights: you can see, correct, export and erase what we hold about you under your account, and complain to a data \
protection authority.
"""


def notice_hash(text: str) -> str:
    """SHA-256 over the UTF-8 text, as hex: the address under which it is kept."""
    return hashlib.sha256(text.encode()).hexdigest()
