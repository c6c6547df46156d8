#!/usr/bin/python3
"""The peer of tests/speed/race.sh: rounds per second of M. Mazur's tutorial in PyTorch, float64, one thread."""
import sys
import time

import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
rounds = int(sys.argv[1])
x, target = torch.tensor([[0.05, 0.10]]), torch.tensor([[0.01, 0.99]])
model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sigmoid(), torch.nn.Linear(2, 2), torch.nn.Sigmoid())
with torch.no_grad():
    model[0].weight.copy_(torch.tensor([[0.15, 0.20], [0.25, 0.30]]))
    model[2].weight.copy_(torch.tensor([[0.40, 0.45], [0.50, 0.55]]))
    model[0].bias.fill_(0.35)
    model[2].bias.fill_(0.60)
optimizer = torch.optim.SGD([model[0].weight, model[2].weight], lr=0.5)


def train(count):
    for _ in range(count):
        optimizer.zero_grad()
        loss = 0.5 * ((model(x) - target) ** 2).sum()
        loss.backward()
        optimizer.step()


train(200)
start = time.perf_counter()
train(rounds)
print(int(rounds / (time.perf_counter() - start)))
