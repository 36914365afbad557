"""Networks of papers as they are written in PyTorch, by hand: torchvision has none of these."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


class Generator(nn.Sequential):
    """DCGAN's, as in PyTorch's examples."""

    def __init__(self, width=64):
        sizes = [100, 8 * width, 4 * width, 2 * width, width]
        layers = []
        for index, (size, channels) in enumerate(pairwise(sizes)):
            stride, padding = (2, 1) if index else (1, 0)
            layers += [
                nn.ConvTranspose2d(size, channels, 4, stride, padding, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
        super().__init__(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


class VAE(nn.Module):
    """As in PyTorch's examples, with the mean as the code, as nothing is drawn in inference."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def forward(self, x):
        hidden = functional.relu(self.fc1(x.flatten(1)))
        mean = self.fc21(hidden)
        return torch.sigmoid(self.fc4(functional.relu(self.fc3(mean)))), mean, self.fc22(hidden)


class WaveNet(nn.Module):
    """The layers of the paper's figure 4; each convolution sees the sample `dilation` before."""

    def __init__(self, layers, stacks, channels=64, levels=256):
        super().__init__()
        self.embedding = nn.Embedding(levels, channels)
        self.causal = nn.Conv1d(channels, channels, 2)
        self.waves = nn.ModuleList(
            nn.ModuleDict(
                {
                    "filter": nn.Conv1d(channels, channels, 2, dilation=2**layer),
                    "gate": nn.Conv1d(channels, channels, 2, dilation=2**layer),
                    "residual": nn.Conv1d(channels, channels, 1),
                    "skip": nn.Conv1d(channels, channels, 1),
                }
            )
            for _ in range(stacks)
            for layer in range(layers)
        )
        self.end = nn.ModuleList([nn.Conv1d(channels, levels, 1), nn.Conv1d(levels, levels, 1)])

    def forward(self, tokens):
        x = self.causal(functional.pad(self.embedding(tokens).mT, (1, 0)))
        skips = []
        for wave in self.waves:
            before = functional.pad(x, (wave["filter"].dilation[0], 0))
            z = torch.tanh(wave["filter"](before)) * torch.sigmoid(wave["gate"](before))
            x = x + wave["residual"](z)
            skips.append(wave["skip"](z))
        return self.end[1](functional.relu(self.end[0](functional.relu(sum(skips)))))


class DeepAndCross(nn.Module):
    """Version 2 in its parallel form: x₀ ⊙ (W x + b) + x, beside layers with ReLU."""

    def __init__(self, numbers=13, categories=26, vocabulary=1000, size=16, crosses=3, widths=(256, 128)):
        super().__init__()
        features = numbers + categories * size
        self.embedding = nn.Embedding(vocabulary, size)
        self.crosses = nn.ModuleList(nn.Linear(features, features) for _ in range(crosses))
        self.deep = nn.ModuleList(nn.Linear(before, width) for before, width in pairwise((features, *widths)))
        self.last = nn.Linear(features + widths[-1], 1)

    def forward(self, numbers, categories):
        first = torch.cat([numbers, self.embedding(categories).flatten(1)], 1)
        crossed = deep = first
        for layer in self.crosses:
            crossed = first * layer(crossed) + crossed
        for layer in self.deep:
            deep = functional.relu(layer(deep))
        return torch.sigmoid(self.last(torch.cat([crossed, deep], 1)))


class Siamese(nn.Module):
    """Koch's, for letters of 105 × 105."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(*sizes) for sizes in [(1, 64, 10), (64, 128, 7), (128, 128, 4), (128, 256, 4)]
        )
        self.code = nn.Linear(9216, 4096)
        self.same = nn.Linear(4096, 1)

    def encode(self, x):
        for index, layer in enumerate(self.convolutions):
            x = functional.relu(layer(functional.max_pool2d(x, 2) if index else x))
        return torch.sigmoid(self.code(x.flatten(1)))

    def forward(self, one, other):
        return torch.sigmoid(self.same((self.encode(one) - self.encode(other)).abs()))
