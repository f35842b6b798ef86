"""Single ops forward and backward on (64, 128, 384), and AdamW on MiniLM's parameters."""
import torch
import torch.nn.functional as F

SHAPE = (64, 128, 384)


def through(op, *tensors):
    """Forward and backward from a given gradient; gradients are made anew each time."""
    dy = torch.randn(SHAPE)

    def run():
        for tensor in tensors:
            tensor.grad = None
        op(*tensors).backward(dy)

    return run


def leaf(*shape):
    return torch.randn(*shape, requires_grad=True)


def layer_norm(_):
    return through(lambda x, w, b: F.layer_norm(x, (384,), w, b, 1e-12), leaf(*SHAPE), leaf(384), leaf(384))


def gelu(_):
    return through(F.gelu, leaf(*SHAPE))


def softmax(_):
    return through(lambda x: F.softmax(x, -1), leaf(*SHAPE))


def cross_entropy(_):
    rows, classes = SHAPE[0] * SHAPE[1], SHAPE[2]
    x = leaf(rows, classes)
    labels = torch.arange(rows) * 7 % classes

    def run():
        x.grad = None
        F.cross_entropy(x, labels).backward()

    return run


def minilm():
    shapes = [(30522, 384), (512, 384), (2, 384), (384,), (384,)]
    for _ in range(6):
        for _ in range(4):
            shapes += [(384, 384), (384,)]
        shapes += [(1536, 384), (1536,), (384, 1536), (384,)]
        shapes += [(384,)] * 4
    return shapes


def adamw(_):
    parameters = [leaf(*shape) for shape in minilm()]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    # The fused kernel is the fastest of PyTorch's three on a CPU.
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    return optimiser.step


CASES = {
    "layer-norm": layer_norm,
    "gelu": gelu,
    "softmax": softmax,
    "cross-entropy": cross_entropy,
    "adamw": adamw,
}
