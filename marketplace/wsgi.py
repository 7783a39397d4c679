import os

from django.core.wsgi import get_wsgi_application

from ledger.signing import log_signer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

application = get_wsgi_application()
# The web shows the log's key and its first checkpoint: without a usable key it must not start.
log_signer()
