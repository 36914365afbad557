"""Assemble and check a network: ``python run.py recipe=centered``; see ``python run.py --help``."""

from assembler.runtime import exits

if __name__ == "__main__":
    exits.prepare()  # Ctrl-C is one line, also during the imports below

from omegaconf import DictConfig

from assembler import sweeps


@sweeps.main(config_path="conf", config_name="assembler")
def main(config: DictConfig) -> int:
    """Run one composed configuration."""
    return sweeps.job(config)


if __name__ == "__main__":
    sweeps.launch(main)
