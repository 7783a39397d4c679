"""The seal: whether a record waits, is signed, is final, or does not verify. Pure."""

from dataclasses import dataclass
from typing import Literal

SealState = Literal["waiting", "signed", "final", "broken"]

RIM = (
    "M12.0 3.2L13.1 2.5L14.3 1.9L15.2 2.9L15.8 4.0L17.1 3.9L18.5 3.9L18.8 5.2L18.9 6.5L20.1 6.9L21.3 7.5L21.1 8.8"
    "L20.6 10.0L21.5 10.9L22.4 12.0L21.5 13.1L20.6 14.0L21.1 15.2L21.3 16.5L20.1 17.1L18.9 17.5L18.8 18.8L18.5 20.1"
    "L17.1 20.1L15.8 20.0L15.2 21.1L14.3 22.1L13.1 21.5L12.0 20.9L10.9 21.5L9.7 22.1L8.8 21.1L8.2 20.0L6.9 20.1"
    "L5.5 20.1L5.2 18.8L5.1 17.5L3.9 17.1L2.7 16.5L2.9 15.2L3.4 14.0L2.5 13.1L1.7 12.0L2.5 10.9L3.4 10.0L2.9 8.8"
    "L2.7 7.5L3.9 6.9L5.1 6.5L5.2 5.2L5.5 3.9L6.9 3.9L8.2 4.0L8.8 2.9L9.7 1.9L10.9 2.5Z"
)
OUTLINE = 'fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"'
MARKS: dict[SealState, str] = {
    "waiting": f'<circle cx="12" cy="12" r="9.2" {OUTLINE} stroke-dasharray="3.2 2.58"/>',
    "signed": f'<path d="{RIM}" {OUTLINE}/><circle cx="12" cy="12" r="2.2" fill="currentColor"/>',
    "final": (
        f'<path d="{RIM}" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/>'
        '<path d="m8 12.2 2.8 2.8 5.2-5.6" fill="none" stroke="var(--paper)" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    ),
    "broken": f'<path d="{RIM}" {OUTLINE}/><path d="m9 9 6 6m0-6-6 6" {OUTLINE} stroke-linecap="round"/>',
}
WORDS: dict[SealState, str] = {
    "waiting": "Waiting to be recorded",
    "signed": "signed",
    "final": "final",
    "broken": "does not verify",
}


@dataclass(frozen=True)
class Seal:
    state: SealState
    number: int | None = None
    address: str = ""
    is_large: bool = False

    @property
    def words(self) -> str:
        return WORDS[self.state]

    @property
    def mark(self) -> str:
        return f'<svg class="seal-mark" viewBox="0 0 24 24" aria-hidden="true">{MARKS[self.state]}</svg>'
