"""The network of a recipe in a program of one's own: what it makes of two tones before it has learnt anything."""

from pathlib import Path

import mindspore
import numpy as np
from assembler import LAYERS, assemble
from mindspore import Tensor

import layers.standardize  # noqa: F401 - it registers itself
from layers.bands import Bands
from layers.log_spectrum import LogSpectrum

LAYERS.register(LogSpectrum)
LAYERS.register(Bands, infer={"bins": -1})

mindspore.set_seed(1)
net = assemble(Path(__file__).parent / "conf" / "recipe" / "bearing.yaml")
net.set_train(False)

seconds = np.arange(512) / 12_000
signals = np.stack([np.sin(2 * np.pi * hertz * seconds) for hertz in (29, 162)])[:, None]  # (2, 1, 512)
for hertz, probabilities in zip((29, 162), net(Tensor(signals, mindspore.float32)).asnumpy(), strict=True):
    print(f"{hertz} Hz: " + " ".join(f"{probability:.2f}" for probability in probabilities))
