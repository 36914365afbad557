"""Hydra's configuration ↔ plain data. Only this package, ``sweeps.grid`` and ``launch`` use Hydra."""
