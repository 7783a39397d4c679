from marketplace.errors import MarketError


class AccountError(MarketError):
    code = "account_refused"


class AccountErased(AccountError):
    code = "account_erased"
    sentence = "This account was erased. Nothing more can be done with it."


class ApiKeyNameMissing(AccountError):
    code = "api_key_name_missing"
    sentence = "Give the key a name, so that you know later which program uses it."


class AddressNotConfirmed(AccountError):
    code = "address_not_confirmed"
    sentence = "Confirm your e-mail address first. A key spends your money, so the account must surely be yours."


class TooManyApiKeys(AccountError):
    code = "too_many_api_keys"
    sentence = "You have 20 API keys. Revoke one that you no longer use, then create the new one."
