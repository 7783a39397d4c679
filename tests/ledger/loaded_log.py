"""A log under load in a process of its own, on the database that the environment names.

`submit`: writes one record after the other and prints the id of each whose transaction was committed.
`sequence`: moves records into the log until its standard input closes.
Both go on after the database was away, as web and worker do.
"""

import sys
import time
from threading import Thread

import django


def submit() -> None:
    from django.db import DatabaseError, InterfaceError, connection, transaction
    from django.utils import timezone

    from tests.builders_ledger import submit as submit_one

    while True:
        try:
            with transaction.atomic():
                entry_id = submit_one(timezone.now())
        except (DatabaseError, InterfaceError):
            connection.close()
            time.sleep(0.05)
        else:
            print(entry_id, flush=True)


def sequence() -> None:
    from django.db import DatabaseError, InterfaceError, connection
    from django.utils import timezone

    from ledger.services import sequence_batch

    while True:
        try:
            sequence_batch(at=timezone.now(), limit=50)
        except (DatabaseError, InterfaceError):
            connection.close()
            time.sleep(0.05)


if __name__ == "__main__":
    django.setup()
    print("ready", flush=True)
    Thread(target={"submit": submit, "sequence": sequence}[sys.argv[1]], daemon=True).start()
    sys.stdin.read()
