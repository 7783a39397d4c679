from marketplace.wallet.gateway.interface import gateway_named
from marketplace.wallet.models import TopUp


def open_checkout(*, top_up: TopUp, return_address: str) -> str | None:
    """Return where the person pays a top-up; None where our own page asks. The same one, asked again.

    Calls the provider, so it must not run inside a transaction.
    Raises: ProviderUnknown, ProviderRefused, GatewayUnreachable.
    """
    return gateway_named(top_up.provider).open_checkout(top_up, return_address)
