"""The command line: ``assembler --help``."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    # python -m puts the working directory first, where a file yaml.py would be imported in the place of the package.
    del sys.path[0]

from assembler.runtime import exits


@exits.handled()
def main() -> None:
    """Run one command; an error is one message and exit code 2."""
    from assembler.commands.app import run  # 0.3 s, in which Ctrl-C is one line already

    run()


if __name__ == "__main__":
    main()
