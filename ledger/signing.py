"""The log's keys. The signing key comes from the environment or a file of mode 0600, and only the sequencer needs it;
whoever reads the log needs the verifier keys, from LEDGER_VKEY or out of the seeds.

While a key is replaced by a newer one both sign. Keys that sign no more stay among the verifier keys for ever.
"""

import functools
from pathlib import Path

from django.conf import settings

from ledger.errors import KeyMalformed, SeedUnusable
from ledger.notes import NoteSigner, VerifierKey
from ledger.seeds import is_file, load_seed, read_seed_file, stamp_of

_Stamp = tuple[int, ...] | None


def log_signers() -> tuple[NoteSigner, ...]:
    """Return who signs, newest first: one, or two while a key is being replaced.

    Raises SeedUnusable, KeyMalformed. The embedded run makes its key on first use; production must bring one.
    """
    signers = _signers(settings.LEDGER_ORIGIN, _source(""), _source("PREVIOUS_"))
    published = _published_keys(settings.LEDGER_VKEY, settings.LEDGER_ORIGIN)
    # While a key is being replaced LEDGER_VKEY may still know the older one alone.
    if published and not any(signer.verifier_key in published for signer in signers):
        raise SeedUnusable("The log's seed is not the one that LEDGER_VKEY and LEDGER_ORIGIN belong to.")
    return signers


def log_signer() -> NoteSigner:
    """Return the newest. Raises as log_signers."""
    return log_signers()[0]


def sign_checkpoint(text: str) -> str:
    """Return the note with one line for each key that signs now, the newest first. Raises as log_signers."""
    newest, *others = log_signers()
    return newest.sign(text) + "".join(signer.sign(text).rpartition("\n\n")[2] for signer in others)


def log_verifier_keys() -> tuple[VerifierKey, ...]:
    """Return every key that ever signed this log, newest first. Raises KeyMalformed, SeedUnusable."""
    if settings.LEDGER_VKEY:
        return _published_keys(settings.LEDGER_VKEY, settings.LEDGER_ORIGIN)
    signing = tuple(signer.verifier_key for signer in log_signers())
    retired = _retired_keys(settings.LEDGER_ORIGIN, retired_file(), stamp_of(retired_file()))
    return tuple(dict.fromkeys((*signing, *retired)))


def log_verifier_key() -> VerifierKey:
    """Return the newest. Raises KeyMalformed, SeedUnusable."""
    return log_verifier_keys()[0]


def retired_file() -> Path:
    """Where a run that has its keys in files keeps the verifier keys of those that sign no more."""
    seed_file: Path = settings.LEDGER_SEED_FILE
    return seed_file.with_name(f"{seed_file.name}.retired")


# A file may be replaced while this process runs: its stamp is part of what the cache is asked for.
_Source = tuple[str, str, Path, _Stamp]


def _source(which: str) -> _Source:
    name = f"LEDGER_{which}SEED"
    seed_hex, seed_file = getattr(settings, f"{name}_HEX"), Path(getattr(settings, f"{name}_FILE"))
    return name, seed_hex, seed_file, None if seed_hex else stamp_of(seed_file)


@functools.lru_cache(maxsize=4)
def _signers(origin: str, current: _Source, previous: _Source) -> tuple[NoteSigner, ...]:
    name, seed_hex, seed_file, _ = current
    seeds = [load_seed(seed_hex, seed_file, name)]
    name, seed_hex, seed_file, _ = previous
    if seed_hex or is_file(seed_file):
        seeds.append(load_seed(seed_hex, seed_file, name) if seed_hex else read_seed_file(seed_file))
    # Never two lines of one key, also when the same seed stands in both places.
    return tuple(NoteSigner(origin, seed) for seed in dict.fromkeys(seeds))


@functools.lru_cache(maxsize=4)
def _published_keys(text: str, origin: str) -> tuple[VerifierKey, ...]:
    keys = tuple(VerifierKey.parse(word) for word in text.split())
    for key in keys:
        if key.name != origin:
            raise KeyMalformed(f"LEDGER_VKEY holds a key of {key.name}, and LEDGER_ORIGIN is {origin}.")
    return tuple(dict.fromkeys(keys))


@functools.lru_cache(maxsize=4)
def _retired_keys(origin: str, path: Path, stamp: _Stamp) -> tuple[VerifierKey, ...]:
    return () if stamp is None else _published_keys(path.read_text(), origin)
