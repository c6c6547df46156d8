#!/usr/bin/python3
"""Makes tests/BackpropCluster.Tests/Oracles/optimizers-more.json with PyTorch (Debian: python3-torch), in float64 on one thread.

Numbers are defined as the note of optimizers.json says; the cases are those that it leaves out.
"""
import json
import math
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

PHI = {"logistic": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda z: z}
CASES = [
    ("adamw relu", [4, 6, 3], ["relu", "identity"], "cross_entropy", "AdamW", {"lr": 0.01}),
    ("adamw decay", [4, 5, 3], ["tanh", "identity"], "cross_entropy", "AdamW", {"lr": 0.02, "weight_decay": 0.1, "betas": [0.8, 0.99]}),
    ("adam decay eps", [3, 5, 2], ["tanh", "logistic"], "half_squared_error", "Adam", {"lr": 0.01, "weight_decay": 0.01, "eps": 1e-6}),
    ("rmsprop", [3, 5, 2], ["logistic", "identity"], "mean_squared_error", "RMSprop", {"lr": 0.01}),
    ("rmsprop momentum centered", [4, 6, 3], ["relu", "identity"], "cross_entropy", "RMSprop",
     {"lr": 0.003, "alpha": 0.9, "momentum": 0.9, "centered": True, "weight_decay": 0.001, "eps": 1e-7}),
    ("adagrad decay", [3, 4, 2], ["tanh", "identity"], "mean_squared_error", "Adagrad",
     {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1e-8}),
    ("sgd dampening", [2, 3, 2], ["logistic", "logistic"], "half_squared_error", "SGD", {"lr": 0.3, "momentum": 0.8, "dampening": 0.5, "weight_decay": 0.01}),
]
ROWS, BATCH, STEPS, MARKS = 24, 8, 60, [0, 1, 2, 10, 60]


def loss_of(kind, y, rows, outputs, targets):
    if kind == "cross_entropy":
        return torch.nn.functional.cross_entropy(y, torch.tensor([(3 * r + 1) % outputs for r in rows]))
    t = targets[rows]
    return torch.nn.functional.mse_loss(y, t) if kind == "mean_squared_error" else (0.5 * (y - t) ** 2).sum(1).mean()


def train(name, sizes, activations, loss, optimizer, hyper):
    k, parameters = 0, []
    for inputs, outputs in zip(sizes, sizes[1:]):
        for shape in ((outputs, inputs), (outputs,)):
            count = math.prod(shape)
            values = [0.5 * math.sin(1.7 * (k + j) + 0.3) for j in range(count)]
            k += count
            parameters.append(torch.tensor(values).reshape(shape).requires_grad_())
    x = torch.tensor([[math.cos(0.9 * (r * sizes[0] + c) + 0.25) for c in range(sizes[0])] for r in range(ROWS)])
    targets = torch.tensor([[0.5 + 0.4 * math.sin(r + 2 * c + 0.25) for c in range(sizes[-1])] for r in range(ROWS)])
    rule = getattr(torch.optim, optimizer)(parameters, **hyper)
    trajectory = {}
    for step in range(STEPS + 1):
        rows = [(step * BATCH + i) % ROWS for i in range(BATCH)]
        y = x[rows]
        for l, activation in enumerate(activations):
            y = PHI[activation](y @ parameters[2 * l].T + parameters[2 * l + 1])
        value = loss_of(loss, y, rows, sizes[-1], targets)
        if step in MARKS:
            trajectory[str(step)] = {"parameters": [p.detach().reshape(-1).tolist() for p in parameters], "loss": value.item()}
        rule.zero_grad()
        value.backward()
        rule.step()
    return {"name": name, "sizes": sizes, "activations": activations, "loss": loss, "optimizer": optimizer, "hyper": hyper,
            "rows": ROWS, "batch": BATCH, "steps": STEPS, "marks": MARKS, "trajectory": trajectory}


json.dump({"note": f"PyTorch {torch.__version__}, float64, one thread; made by tests/oracles/optimizers.py", "cases": [train(*c) for c in CASES]}, sys.stdout)
print()
