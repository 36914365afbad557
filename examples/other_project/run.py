"""Assemble and check the project's networks: ``python run.py recipe=bearing``."""

from assembler import sweeps
from omegaconf import DictConfig


@sweeps.main(config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    """Run one composed configuration."""
    return sweeps.job(config)


if __name__ == "__main__":
    sweeps.launch(main)
