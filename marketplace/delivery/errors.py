from typing import ClassVar

from marketplace.errors import MarketError


class DeliveryError(MarketError):
    code = "delivery_refused"


class VersionUnknown(DeliveryError):
    code = "version_unknown"
    sentence = "This purchase opens no such version of the table."


class VersionGone(DeliveryError):
    code = "version_gone"
    sentence = "The files of this version, or of what it changed, are not kept any more. Load the whole table again."


class TimestampUnknown(DeliveryError):
    code = "timestamp_unknown"
    sentence = "This purchase opens no version of the table of this time."


class LinkInvalid(DeliveryError):
    code = "link_invalid"
    sentence = "This link was changed or was not made here. Query the table again for fresh links."


class LinkExpired(DeliveryError):
    code = "link_expired"
    sentence = "This link has expired. Query the table again for fresh links."


class RefreshTokenInvalid(DeliveryError):
    code = "refresh_token_invalid"
    sentence = "This refresh token is too old or was not given to this access token. Query the table again without it."


class RequestRefused(DeliveryError):
    """A request that the sharing protocol does not allow; answered as 400 unless the class says otherwise."""

    code = "INVALID_PARAMETER_VALUE"
    http_status: ClassVar[int] = 400


class BodyMalformed(RequestRefused):
    code = "MALFORMED_REQUEST"
    sentence = "The body must be a JSON object."


class ChangesUnsupported(RequestRefused):
    code = "UNSUPPORTED_OPERATION"
    sentence = "This table has no change feed."


class FormatUnsupported(RequestRefused):
    code = "UNSUPPORTED_OPERATION"
    sentence = "This server answers with responseformat=delta or responseformat=parquet."


class FormNotOffered(RequestRefused):
    code = "form_not_offered"
    sentence = "Ask for one of: parquet, csv, ndjson, senml, arrow; with ?format= or by its media type."
    http_status = 406


class ColumnUnknown(RequestRefused):
    code = "column_unknown"
    sentence = "The token opens no such column."


class SpanInvalid(RequestRefused):
    code = "span_invalid"
    sentence = "Give from and until as times such as 2026-01-31T12:00:00Z, from before until."


class ExportUnderWay(RequestRefused):
    """details: rows_done, rows_total. Clients that are told 503 with Retry-After ask again."""

    code = "export_under_way"
    sentence = "The file is being prepared. Ask again in a moment, at the same address."
    http_status = 503


class ProofWaits(RequestRefused):
    code = "proof_waits"
    sentence = "This file's hash is not in the log yet. Files are recorded together, every ten minutes at most."
    http_status = 503


class NoProof(RequestRefused):
    code = "no_proof"
    sentence = "This file is a part cut out for your token, and only whole files are in the log."
    http_status = 404


class NameUnknown(RequestRefused):
    code = "RESOURCE_DOES_NOT_EXIST"
    sentence = "There is no such share, schema, table or file for this token."
    http_status = 404


class NoEvidence(RequestRefused):
    code = "no_evidence"
    sentence = (
        "This table was computed from readings, so no device signed its rows. Only data that is sold as it was sent "
        "has the devices' envelopes."
    )
    http_status = 404


class TableRebuilding(RequestRefused):
    """Clients of Delta Sharing wait and ask again when they are told 503."""

    code = "TEMPORARILY_UNAVAILABLE"
    sentence = "The owner has narrowed the consent, and the table is being made again under it. Ask again in a minute."
    http_status = 503


class PositionUnknown(RequestRefused):
    code = "position_unknown"
    sentence = (
        "This is no place in the stream: Last-Event-ID must be an id that this stream sent, unchanged. Without one the "
        "stream begins with what comes from now on."
    )


class TooManyStreams(RequestRefused):
    code = "too_many_streams"
    sentence = "This access token has as many live streams open as it may have. Close one first."
    http_status = 429


class ServerFull(RequestRefused):
    code = "server_full"
    sentence = "As many live streams are open as this server carries. Try again in a minute."
    http_status = 503


class ReaderTooSlow(DeliveryError):
    code = "reader_too_slow"
    sentence = "You read more slowly than new rows come. Nothing is lost: connect again with the last id that you have."
