"""What others may do with accounts: keys for programs, and the devices that a person owns."""

from marketplace.accounts.api_keys import create_api_key, find_api_key, revoke_api_key, revoke_api_keys
from marketplace.accounts.billing import Particulars, declare_billing, particulars_of
from marketplace.accounts.erasing import ErasedPerson, blank_account, hold_account, lock_account
from marketplace.accounts.ownership import (
    enrol_owned_device,
    enrolment_entry,
    record_handover,
    record_readings_deletion,
    retire_owned_device,
)

__all__ = [
    "ErasedPerson",
    "Particulars",
    "blank_account",
    "create_api_key",
    "declare_billing",
    "enrol_owned_device",
    "enrolment_entry",
    "find_api_key",
    "hold_account",
    "lock_account",
    "particulars_of",
    "record_handover",
    "record_readings_deletion",
    "retire_owned_device",
    "revoke_api_key",
    "revoke_api_keys",
]
