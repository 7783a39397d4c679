"""The command line of the reference device."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from devices.agent.client import DEFAULT_TRIES
from devices.agent.commands import enrol, send_file, show_status, simulate
from devices.agent.errors import AgentError
from devices.agent.mapping import Mapping, parse_measure, read_mapping
from devices.agent.shapes import KINDS
from devices.agent.state import DEFAULT_FOLDER, StateFolder

MAX_BATCH_SIZE = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(joined(sys.argv[1:] if arguments is None else arguments))
    folder = StateFolder(options.state)
    try:
        if options.command == "status":
            show_status(folder)
        else:
            with folder.locked():
                run(folder, options)
    except AgentError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


def joined(arguments: Sequence[str]) -> list[str]:
    """Join --utc-offset and what follows it: argparse takes -07:00 for an option."""
    rest = iter(arguments)
    return [f"{text}={next(rest, '')}" if text == "--utc-offset" else text for text in rest]


def run(folder: StateFolder, options: argparse.Namespace) -> None:
    if options.command == "enrol":
        enrol(folder, server=options.server, code=options.code, tries=options.tries)
        return
    sending = {"batch_size": options.batch_size, "form": options.format, "tries": options.tries}
    if options.command == "send":
        send_file(folder, options.file, mapping_of(options), **sending)
        return
    simulate(
        folder,
        kind=options.kind,
        start=options.start,
        until=options.until,
        every=options.every,
        seed=options.seed,
        is_live=options.live,
        **sending,
    )


def mapping_of(options: argparse.Namespace) -> Mapping:
    """Join the mapping file and the options; an option that is given wins."""
    given = {
        "time_columns": tuple(options.time.split(",")) if options.time else None,
        "time_format": options.time_format,
        "utc_offset": options.utc_offset,
        "measures": tuple(parse_measure(text) for text in options.map) or None,
        "delimiter": options.delimiter,
        "skip_lines": options.skip_lines,
        "columns": tuple(options.columns.split(",")) if options.columns else None,
        "missing": tuple(options.missing) or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if options.mapping:
        return dataclasses.replace(read_mapping(options.mapping), **given)
    return Mapping(**{"time_columns": (), "measures": (), **given})


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devices.agent", description="A device that signs what it measures. See docs/devices.md."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument(
        "--state",
        type=folder_path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help=f"key and progress ({DEFAULT_FOLDER})",
    )
    everywhere.add_argument("--tries", type=positive, default=DEFAULT_TRIES, help="how often to try when the net fails")
    batches = argparse.ArgumentParser(add_help=False)
    batches.add_argument("--batch-size", type=batch_size, default=1000, metavar="N", help="readings in a batch (1000)")
    batches.add_argument("--format", choices=["json", "cbor"], default="json", help="SenML as JSON or CBOR (json)")

    command = commands.add_parser("enrol", parents=[everywhere], help="make a key and bind it to your device")
    command.add_argument("--server", required=True, metavar="URL")
    command.add_argument("--code", required=True, metavar="XXXX-XXXX", help="from the device's page")
    add_send(commands.add_parser("send", parents=[everywhere, batches], help="send a recording"))
    add_simulate(commands.add_parser("simulate", parents=[everywhere, batches], help="send believable readings"))
    commands.add_parser("status", parents=[everywhere], help="show key, server and progress")
    return parser


def add_send(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--mapping", type=Path, metavar="FILE", help="a TOML or JSON file with all of the following")
    command.add_argument("--map", action="append", default=[], metavar="COLUMN=MEASURE:UNIT", help="repeat for each")
    command.add_argument("--time", metavar="COLUMN[,COLUMN]", help="time columns; several are joined by a space")
    command.add_argument("--time-format", metavar="FORMAT", help="as of strptime, or unix, or iso (iso)")
    command.add_argument("--utc-offset", metavar="OFFSET", help="of times that name none, such as -07:00 (+00:00)")
    command.add_argument("--delimiter", metavar="CHARACTER", help="or comma, semicolon, tab, whitespace (found out)")
    command.add_argument("--skip-lines", type=int, metavar="N", help="lines before the header or the first row")
    command.add_argument("--columns", metavar="NAME,NAME", help="names, for a file without a header line")
    command.add_argument("--missing", action="append", default=[], metavar="VALUE", help="stands for no value; repeat")


def add_simulate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kind", choices=sorted(KINDS), help="what to be (what the owner said it is)")
    command.add_argument("--from", dest="start", type=moment, metavar="TIME", help="ISO 8601, UTC without an offset")
    command.add_argument("--until", type=moment, metavar="TIME", help="(now)")
    command.add_argument("--every", type=positive, default=60, metavar="SECONDS", help="between readings (60)")
    command.add_argument("--seed", type=int, help="the same seed gives the same readings (from the key)")
    command.add_argument("--live", action="store_true", help="go on sending as time passes")


def folder_path(text: str) -> Path:
    """Some shells, and whoever runs the device as a service, leave the ~ to the program."""
    return Path(text).expanduser()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def batch_size(text: str) -> int:
    number = positive(text)
    if number > MAX_BATCH_SIZE:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_BATCH_SIZE}")
    return number


def moment(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
