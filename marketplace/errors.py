"""The root of every expected refusal."""

from typing import ClassVar


class MarketError(Exception):
    """A refusal that the caller can act on. str(error) is a sentence for a person; code never changes."""

    code: ClassVar[str] = "refused"
    sentence: ClassVar[str] = "This is not possible."

    def __init__(self, sentence: str = "", **details: object) -> None:
        super().__init__(sentence or self.sentence)
        self.details = details
