"""The network that a run leaves: every tensor under its name, whatever its layout, and nothing that could be run."""

import pickle

import pytest
import torch
from runs import small, trainer
from torch import nn

from harness.training import network, report
from harness.training.network import FINAL, Network


class Net(nn.Module):
    """Ties two weights, keeps buffers of several types, and holds one weight in another memory format."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("scalar", torch.tensor(2.0, dtype=torch.float64))
        self.register_buffer("brief", torch.ones(2, dtype=torch.bfloat16))
        self.register_buffer("empty", torch.zeros(0, 3))


def test_a_network_comes_back_as_it_was(tmp_path):
    state = Net().state_dict() | {"expanded": torch.arange(3).expand(2, 3)}
    masks = {"first.weight": torch.rand(6, 6) > 0.5, "convolution.weight": torch.rand(4, 3, 3, 3) > 0.5}
    network.write(Network(state, masks), tmp_path / FINAL)
    found = network.read(tmp_path / FINAL)
    assert set(found.state) == set(state)
    assert list(found.masks) == ["convolution.weight", "first.weight"]
    for kept, expected in ((found.state, state), (found.masks, masks)):
        for name, tensor in expected.items():
            assert kept[name].dtype == tensor.dtype
            assert torch.equal(kept[name], tensor)
    Net().load_state_dict({name: tensor for name, tensor in found.state.items() if name != "expanded"})
    assert [path.name for path in tmp_path.iterdir()] == [FINAL]


def test_the_network_of_a_run_has_the_names_of_its_model(tmp_path):
    made = trainer(small("static"))
    network.write(report.network(made), tmp_path / FINAL)
    found = network.read(tmp_path / FINAL)
    assert set(found.state) == set(made.model.state_dict())
    assert list(found.masks) == sorted(made.masks.names)


@pytest.mark.parametrize("value", [torch.eye(3).to_sparse(), {"more": 1}])
def test_what_is_not_a_dense_tensor_is_refused_by_name(value, tmp_path):
    with pytest.raises(TypeError, match="the model's odd is not a dense tensor"):
        network.write(Network({"odd": value}, {}), tmp_path / FINAL)


@pytest.mark.parametrize("content", [b"", b"x" * 100, pickle.dumps({"a": 1}), b"\xff" * 8 + b"{}"])
def test_a_file_that_is_not_one_is_refused(content, tmp_path):
    (tmp_path / FINAL).write_bytes(content)
    with pytest.raises(ValueError, match=FINAL):
        network.read(tmp_path / FINAL)
