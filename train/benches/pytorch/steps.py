"""The networks of the bench as one writes them in PyTorch, and steps of training them.

Started by pytorch.rs as `steps.py CASE THREADS BATCH DEVICE PRECISION`. Prints the sorted shapes of all trained tensors, so
that both sides can be seen to be the same network. Then a line of paths on the standard input asks for a step along each of
them; semicolons separate the paths, and a path is an index for each choice (DARTS runs all paths and ignores them). The
answer is the time of all steps in seconds; losses are read after the last one.

The line `losses FILE` asks for the losses of steps from the weights and on the batches of a file, as a list. It begins with a line of
JSON: the `shapes` of the weights, those of the `images` of a step, and for each step its `paths` and learning `rates`. Then
come 32-bit floats: all weights, and for each step its images and classes.
"""

import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def separable(channels, out, kernel, stride, pad, dilation=1):
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, pad, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, out, 1, bias=False),
        nn.BatchNorm2d(out),
    ]


class FactorizedReduce(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.even = nn.Conv2d(channels, out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(channels, out // 2, 1, 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], 1))


def relu_conv_bn(channels, out):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))


class MixedOp(nn.Module):
    """All candidates of an edge but `none`, which adds nothing to the sum and is left out here as it is there."""

    def __init__(self, channels, stride):
        super().__init__()
        sep = lambda k: nn.Sequential(
            *separable(channels, channels, k, stride, k // 2), *separable(channels, channels, k, 1, k // 2)
        )
        dil = lambda k: nn.Sequential(*separable(channels, channels, k, stride, k // 2 * 2, 2))
        skip = nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        pools = [nn.MaxPool2d(3, stride, 1), nn.AvgPool2d(3, stride, 1)]
        self.ops = nn.ModuleList([dil(3), dil(5), sep(3), sep(5), *pools, skip])

    def forward(self, x, weights):
        return sum(w * op(x) for w, op in zip(weights, self.ops))


class Cell(nn.Module):
    def __init__(self, before, last, channels, reduction, after_reduction, nodes):
        super().__init__()
        self.first = FactorizedReduce(before, channels) if after_reduction else relu_conv_bn(before, channels)
        self.second = relu_conv_bn(last, channels)
        self.nodes = nodes
        self.edges = nn.ModuleList(
            MixedOp(channels, 2 if reduction and source < 2 else 1) for node in range(nodes) for source in range(node + 2)
        )

    def forward(self, before, last, weights):
        states, edge = [self.first(before), self.second(last)], 0
        for _ in range(self.nodes):
            states.append(sum(self.edges[edge + i](x, weights[edge + i]) for i, x in enumerate(states)))
            edge += len(states) - 1
        return torch.cat(states[2:], 1)


class Darts(nn.Module):
    def __init__(self, channels=16, cells=8, nodes=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels))
        self.cells, self.reductions = nn.ModuleList(), [cells // 3, 2 * cells // 3]
        before = last = 3 * channels
        for i in range(cells):
            channels *= 2 if i in self.reductions else 1
            self.cells.append(Cell(before, last, channels, i in self.reductions, i - 1 in self.reductions, nodes))
            before, last = last, nodes * channels
        self.classifier = nn.Linear(last, 10)
        edges = sum(2 + i for i in range(nodes))
        self.alphas = [torch.zeros(edges, 8), torch.zeros(edges, 8)]

    def forward(self, x, _path):
        before = last = self.stem(x)
        weights = [F.softmax(a, -1) for a in self.alphas]
        for i, cell in enumerate(self.cells):
            before, last = last, cell(before, last, weights[i in self.reductions])
        return self.classifier(last.mean((2, 3)))


def conv_bn_relu6(channels, out, kernel, stride, groups=1):
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU6()]


class InvertedResidual(nn.Module):
    def __init__(self, channels, out, stride, kernel, expansion):
        super().__init__()
        hidden = channels * expansion
        self.layers = nn.Sequential(
            *(conv_bn_relu6(channels, hidden, 1, 1) if expansion > 1 else []),
            *conv_bn_relu6(hidden, hidden, kernel, stride, hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.adds = stride == 1 and channels == out

    def forward(self, x):
        return x + self.layers(x) if self.adds else self.layers(x)


class Mobilenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(*conv_bn_relu6(3, 32, 3, 2), InvertedResidual(32, 16, 1, 3, 1))
        self.blocks, channels = nn.ModuleList(), 16
        for out, count, stride in [(24, 4, 1), (32, 4, 1), (64, 4, 2), (96, 4, 1), (160, 4, 2), (320, 1, 1)]:
            for i in range(count):
                strides = stride if i == 0 else 1
                ops = [InvertedResidual(channels, out, strides, k, e) for k in (3, 5, 7) for e in (3, 6)]
                if strides == 1 and channels == out:
                    ops.append(nn.Identity())
                self.blocks.append(nn.ModuleList(ops))
                channels = out
        self.last = nn.Sequential(*conv_bn_relu6(320, 1280, 1, 1))
        self.classifier = nn.Linear(1280, 10)

    def forward(self, x, path):
        x = self.stem(x)
        for block, selected in zip(self.blocks, path):
            x = block[selected](x)
        return self.classifier(self.last(x).mean((2, 3)))


def weights(net, case, path):
    """The trained tensors in the order of layers; of one network, if the case trains one."""
    if case != "train":
        return list(net.parameters())
    blocks = [block[selected] for block, selected in zip(net.blocks, path)]
    return [p for part in [net.stem, *blocks, net.last, net.classifier] for p in part.parameters()]


@torch.no_grad()
def read(path, net, case, device):
    """Takes the weights of a file; its steps: path, learning rate, images and classes."""
    with open(path, "rb") as file:
        told = json.loads(file.readline())
        numbers = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).to(device)

    def take(shape):
        nonlocal numbers
        taken, numbers = numbers.split([count := math.prod(shape), len(numbers) - count])
        return taken.view(shape)

    own = weights(net, case, told["paths"][0])
    shapes = [list(p.shape) for p in own]
    if shapes != told["shapes"]:
        raise ValueError("the two networks have their layers in different orders")
    for p in own:
        p.copy_(take(list(p.shape)))
    images = told["images"]
    return [(path, rate, take(images), take(images[:1]).long()) for path, rate in zip(told["paths"], told["rates"])]


def losses_of(path, net, case, device):
    """Losses of the steps of a file, each before its update."""
    steps, found = read(path, net, case, device), []
    optimizer = optimizer_of(net)
    for path, rate, x, y in steps:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x, path), y)
        loss.backward()
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found).tolist()


def optimizer_of(net):
    return torch.optim.SGD(net.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)


def main():
    case, threads, batch, device, precision = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    net = {"darts": Darts, "mobilenet": Mobilenet, "train": Mobilenet}[case]().to(device)
    if case == "darts":
        net.alphas = [a.to(device) for a in net.alphas]
    print(json.dumps(sorted(list(p.shape) for p in net.parameters())), flush=True)
    x, y = torch.randn(batch, 3, 32, 32, device=device), torch.randint(10, (batch,), device=device)
    optimizer = optimizer_of(net)
    for line in sys.stdin:
        if line.startswith("losses "):
            print(json.dumps(losses_of(line[7:].rstrip("\n"), net, case, device)), flush=True)
            continue
        paths = [[int(i) for i in path.split()] for path in line.split(";")]
        start = time.perf_counter()
        losses = []
        for path in paths:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x, path), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        torch.stack(losses).tolist()
        print(time.perf_counter() - start, flush=True)


main()
