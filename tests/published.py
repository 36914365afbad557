"""Published networks with random weights: writes their files, an input and the output, in a process without MindSpore.

python -m tests.published torchvision/resnet18 FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tests.torch_parts import beside_torchvision, torchvision_models

IMAGE = (1, 3, 224, 224)


class Double(nn.Sequential):
    """Two convolutions of the U-Net."""

    def __init__(self, inputs, channels):
        super().__init__(
            nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()
        )


class UNet(nn.Module):
    """The U-Net, padded, with names as they are usual: ``downs``, ``bottleneck``, ``ups``."""

    def __init__(self, width=8):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.downs = nn.ModuleList(map(Double, [1, *widths], widths))
        self.bottleneck = Double(widths[-1], 16 * width)
        self.ups = nn.ModuleList()
        for channels in reversed(widths):
            self.ups.append(nn.ConvTranspose2d(2 * channels, channels, 2, 2))
            self.ups.append(Double(2 * channels, channels))
        self.final = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        beside = []
        for down in self.downs:
            x = down(x)
            beside.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for up, double in zip(self.ups[::2], self.ups[1::2], strict=True):
            x = double(torch.cat((beside.pop(), up(x)), 1))
        return self.final(x)


class Recurrent(nn.Module):
    """Two layers in both directions, and a linear layer on every state."""

    def __init__(self, kind, sizes=(5, 6)):
        super().__init__()
        self.rnn = kind(*sizes, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * sizes[1], 3)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


def image(make):
    return make(), (torch.randn(IMAGE),)


def tokens(module):
    return module, (torch.randint(97, (2, 16)),)


def bert():
    transformers = beside_torchvision("transformers")
    config = transformers.BertConfig(
        vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192,
        max_position_embeddings=32,
    )  # fmt: skip
    given = (torch.randint(97, (2, 16)), None, torch.randint(2, (2, 16)))
    return transformers.BertModel(config), given


def gpt2():
    transformers = beside_torchvision("transformers")
    config = transformers.GPT2Config(vocab_size=97, n_positions=32, n_embd=48, n_layer=2, n_head=4)
    return tokens(transformers.GPT2LMHeadModel(config))


def llama(kv_heads):
    transformers = beside_torchvision("transformers")
    config = transformers.LlamaConfig(
        vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=64,
    )  # fmt: skip
    return tokens(transformers.LlamaForCausalLM(config))


def mixer():
    timm = beside_torchvision("timm")
    return image(lambda: timm.create_model("mixer_b16_224"))


OF_TORCHVISION = ("resnet18", "resnet50", "vgg16", "vgg16_bn", "densenet121", "mobilenet_v2", "squeezenet1_1", "alexnet",
                  "convnext_tiny", "vit_b_16", "resnet34", "resnext50_32x4d", "efficientnet_b0", "regnet_x_800mf",
                  "shufflenet_v2_x0_5", "swin_t")  # fmt: skip

NETWORKS = {
    **{f"torchvision/{name}": lambda name=name: image(getattr(torchvision_models(), name)) for name in OF_TORCHVISION},
    "torchvision/googlenet": lambda: image(
        lambda: torchvision_models().googlenet(init_weights=False, aux_logits=False)
    ),
    "torchvision/inception_v3": lambda: (
        torchvision_models().inception_v3(init_weights=False),
        (torch.randn(1, 3, 299, 299),),
    ),
    "timm/mixer_b16": mixer,
    "transformers/bert_base": bert,
    "transformers/gpt2_small": gpt2,
    "transformers/llama2_7b": lambda: llama(4),
    "transformers/llama2_7b, grouped": lambda: llama(2),
    "torch/unet": lambda: (UNet(), (torch.randn(1, 1, 32, 32),)),
    "torch/lstm": lambda: (Recurrent(nn.LSTM), (torch.randn(2, 7, 5),)),
    "torch/gru": lambda: (Recurrent(nn.GRU), (torch.randn(2, 7, 5),)),
    "torch/conv1d": lambda: (nn.Sequential(nn.Conv1d(3, 4, 5), nn.GroupNorm(2, 4)), (torch.randn(2, 3, 9),)),
}
"""What to call for the module and its inputs."""


def randomized(module):
    """Weights of a size at which every layer counts, and statistics as after training."""
    for name, tensor in module.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point() and tensor.ndim < 2:
            tensor.normal_(0.5, 0.3)
        elif tensor.is_floating_point():
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
    return module.eval()


def main(name, folder):
    torch.manual_seed(0)
    with torch.no_grad():
        module, given = NETWORKS[name]()
        output = randomized(module)(*given)
    if not isinstance(output, torch.Tensor):
        output = output["logits"] if "logits" in output else output["last_hidden_state"]
    folder = Path(folder)
    stored = {key: one.contiguous().clone() for key, one in module.state_dict().items()}
    save_file(stored, folder / "w.safetensors")
    inputs = {f"given{index}": one.numpy() for index, one in enumerate(given) if one is not None}
    np.savez(folder / "example.npz", output=output.numpy(), **inputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
