#!/usr/bin/python3
"""The peer of tests/speed/race.sh: Fashion-MNIST 784-256-10 in PyTorch, float64, the given number of threads. Prints samples per second.

Logistic units, cross-entropy, sgd 0.5, batch 128, rows shuffled each epoch, as the run file that race.sh writes.
"""
import gzip
import sys
import time

import torch

folder, threads, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.set_default_dtype(torch.float64)


def idx(name, header):
    with gzip.open(f"{folder}/{name}") as f:
        return torch.frombuffer(bytearray(f.read()[header:]), dtype=torch.uint8)


x = (idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 784).double() / 255)
t = idx("train-labels-idx1-ubyte.gz", 8).long()
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.Sigmoid(), torch.nn.Linear(256, 10))
rule = torch.optim.SGD(model.parameters(), lr=0.5)
loss_of = torch.nn.CrossEntropyLoss()


def epoch():
    order = torch.randperm(len(x))
    for first in range(0, len(x), 128):
        rows = order[first:first + 128]
        rule.zero_grad()
        loss_of(model(x[rows]), t[rows]).backward()
        rule.step()


epoch()
begun = time.perf_counter()
for _ in range(epochs):
    epoch()
print(f"{epochs * len(x) / (time.perf_counter() - begun):.0f}")
