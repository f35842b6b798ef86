"""Training steps of tabular networks, each with the faster of PyTorch's AdamW variants."""
import torch
import torch.nn as nn
import torch.nn.functional as F

ROWS = [32] * 6 + [10, 18, 9, 16, 8, 7, 4, 44]
DIM = 16
MAPS = 16


def perceptron(*sizes):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers.append(nn.Linear(a, b))
        if i + 2 < len(sizes):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def step(parameters, logits, labels):
    optimiser = torch.optim.AdamW(list(parameters), lr=1e-3, fused=True)

    def run():
        loss = F.cross_entropy(logits(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def mlp(_):
    model = perceptron(128, 256, 128, 2)
    x = torch.randn(256, 128)
    return step(model.parameters(), lambda: model(x), torch.randint(0, 2, (256,)))


class Table(nn.Module):
    """All fields in one table, each at its own offset: faster than a table a field."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(sum(ROWS), DIM)
        self.mlp = perceptron(len(ROWS) * DIM, 256, 128, 2)

    def forward(self, ids):
        return self.mlp(self.table(ids).flatten(1))


def ids():
    offsets = torch.tensor([sum(ROWS[:i]) for i in range(len(ROWS))])
    return torch.stack([torch.randint(0, n, (512,)) for n in ROWS], 1) + offsets


def tabular(_):
    model, batch = Table(), ids()
    return step(model.parameters(), lambda: model(batch), torch.randint(0, 2, (512,)))


class Interaction(Table):
    """With a compressed interaction network of two layers."""

    def __init__(self):
        super().__init__()
        fields = len(ROWS)
        self.first = nn.Parameter(torch.randn(MAPS, fields * fields) * 0.05)
        self.second = nn.Parameter(torch.randn(MAPS, MAPS * fields) * 0.05)
        self.head = nn.Linear(2 * MAPS, 2, bias=False)

    def forward(self, ids):
        x = self.table(ids)  # (batch, fields, dim)
        batch, fields, dim = x.shape

        def layer(before, weight):
            pairs = before.unsqueeze(2) * x.unsqueeze(1)
            return weight @ pairs.reshape(batch, -1, dim)

        first = layer(x, self.first)
        second = layer(first, self.second)
        sums = torch.cat([first.sum(2), second.sum(2)], 1)
        return self.mlp(x.flatten(1)) + self.head(sums)


def tabular_cin(_):
    model, batch = Interaction(), ids()
    return step(model.parameters(), lambda: model(batch), torch.randint(0, 2, (512,)))


CASES = {"mlp-step": mlp, "tabular-step": tabular, "tabular-cin-step": tabular_cin}
