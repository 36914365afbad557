"""Every ratio of starting, assembling and planning, with its goal beside it: ``python benchmarks/goals.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("start.py", "main_job.py", "plan.py")


def main() -> None:
    for script in SCRIPTS:
        print(f"# {script}", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", Path(__file__).with_name(script)], check=True)


if __name__ == "__main__":
    main()
