"""Assemble and check a network: ``python run.py recipe=centered``; see ``python run.py --help``."""

import hydra
from omegaconf import DictConfig

from assembler import sweeps


@hydra.main(version_base="1.3", config_path="conf", config_name="assembler")
def main(config: DictConfig) -> int:
    """Run one composed configuration."""
    return sweeps.job(config)


if __name__ == "__main__":
    sweeps.launch(main)
