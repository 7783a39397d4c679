"""Start the reference device, or say which Python can."""

import shlex
import sys

try:
    from devices.agent.command_line import main
except ImportError as error:
    command = shlex.join([".venv/bin/python", "-m", "devices.agent", *sys.argv[1:]])
    sys.exit(
        f"This Python ({sys.executable}) can't run the device: {error}.\n"
        "What to do: in the project's folder, run it with the project's own Python:\n"
        f"  {command}\n"
        "Any other Python from 3.11 on needs PyNaCl, cbor2 and tqdm first."
    )

if __name__ == "__main__":
    sys.exit(main())
