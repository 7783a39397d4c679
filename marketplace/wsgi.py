import os

from django.core.wsgi import get_wsgi_application

from ledger.signing import log_verifier_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

application = get_wsgi_application()
# The web shows the log's key and checks entries with it: without one it must not start. It never signs.
log_verifier_key()
