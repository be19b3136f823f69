"""`python -m proxy`: TorchServe behind a proxy that batches, waits until it is ready, and drains when it is stopped."""

from __future__ import annotations

import sys

from proxy.options import WrongOption, read_options


def main() -> None:
    """Serve as the command line says."""
    try:
        options = read_options()
    except WrongOption as wrong:
        sys.exit(f"proxy: {wrong}")
    from proxy.service import CannotServe, run

    try:
        sys.exit(run(options))
    except CannotServe as error:
        sys.exit(f"proxy: {error}")


if __name__ == "__main__":
    main()
