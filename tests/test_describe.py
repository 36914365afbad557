"""Networks written by hand, told as recipes."""

import pytest
from mindspore import mint, nn

from assembler import assemble, describe
from assembler.errors import RecipeError
from assembler.layers.centered import Centered
from assembler.layers.parallel import Parallel
from assembler.layers.residual import Residual

TEXTS = [
    "Dense(8, 128) + Centered",
    "MyLinear(64, 8) + MyLinear(8, 1)",
    "Conv2d(3, 8, 3, stride=2, pad_mode='valid', has_bias=True) + BatchNorm2d(8) + ReLU",
    "Conv2d(4, 8, (3, 5), group=2) + MaxPool2d(2, stride=2)",
    "Residual(Dense(8, 8) + ReLU, shortcut=Dense(8, 8))",
    "Dense(8, 4, has_bias=False, activation=Tanh) + LayerNorm((4,))",
    "SelfAttention(8, 2, causal=True) + RMSNorm(8, epsilon=1e-05) + SwiGLU(8, 16)",
    "Dropout(p=0.25) + Flatten + Embedding(10, 4)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_text_assembles_is_told_as_it_again(text):
    model = assemble(text)
    told = describe(model)
    assert [p.name for p in assemble(told).get_parameters()] == [p.name for p in model.get_parameters()]
    assert describe(assemble(told)) == told
    assert told.replace("kernel_size=", "") == text or "Residual" in text or "MaxPool" in text


def test_a_network_by_hand_is_told():
    net = nn.SequentialCell(nn.Dense(8, 8), Residual(nn.SequentialCell(nn.ReLU(), nn.Dense(8, 8))), Centered())
    assert describe(net) == "Dense(8, 8) + Residual(ReLU + Dense(8, 8)) + Centered"
    branches = nn.SequentialCell(Parallel(nn.Dense(8, 2), nn.ReLU(), merge="concat"))
    assert describe(branches) == "Parallel(Dense(8, 2), ReLU)"


def test_layers_of_libraries_are_told_with_their_scopes():
    from mindcv.models.squeezenet import Fire

    net = nn.SequentialCell(nn.Conv2d(3, 8, 3), mint.nn.Linear(8, 4), mint.nn.Tanh())
    assert describe(net) == "Conv2d(3, 8, 3) + mint.Linear(8, 4) + mint.Tanh"
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(Fire(8, 4, 4, 4)))
    assert error.value.message == "#0 mindcv.Fire has no attribute 'in_channels', so describe() cannot read it"


class Unknown(nn.Cell):
    def construct(self, x):
        return x


def test_error_of_a_layer_that_nobody_registered():
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(nn.ReLU(), nn.SequentialCell(Unknown())))
    assert error.value.message == "#1.0 Unknown is not registered; add it with @register"


def test_error_of_a_cell_that_is_no_chain():
    with pytest.raises(RecipeError) as error:
        describe(nn.Dense(3, 4))
    assert error.value.message == "describe() supports nn.SequentialCell, got Dense"


def test_error_of_arguments_that_are_not_kept():
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(nn.LSTM(8, 6)))
    assert error.value.message.startswith("#0 LSTM has no attribute ")


def test_error_of_arguments_that_are_kept_in_another_form():
    with pytest.raises(RecipeError) as error:
        describe(nn.SequentialCell(nn.BatchNorm2d(8, momentum=0.8)))
    assert error.value.message == "#0 BatchNorm2d stores 'momentum' in another form, so describe() cannot read it"
