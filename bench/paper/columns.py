#!/usr/bin/env python3
"""Asks why blocks of large gradient bear smaller steps: how gradients and weights go with the size of the inputs they meet.

usage: columns.py MODEL_DIR ROWS.jsonl [BLOCK_SIZE]
For the linear layers of each module, the mean over layers of Spearman's rank correlation, over input columns c, between the root
mean square of the inputs x_c and mean |G[:, c]|, and mean |W[:, c]|; and, over blocks, between mean |W| and mean |G|. The gradient is
that of the language model's loss on the first 8 rows.
"""
import collections
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROWS, TOKENS = 8, 256


def ranks(values):
    return values.flatten().argsort().argsort().double()


def spearman(a, b):
    return torch.corrcoef(torch.stack([ranks(a), ranks(b)]))[0, 1].item()


def block_means(matrix, size):
    rows, cols = matrix.shape[0] // size, matrix.shape[1] // size
    return matrix[:rows * size, :cols * size].reshape(rows, size, cols, size).mean((1, 3))


def main():
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 16
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and ".layers." in n}
    squares = dict.fromkeys(layers, 0)
    for name, layer in layers.items():
        def add(_, inputs, __, name=name):
            squares[name] = squares[name] + inputs[0].detach().square().flatten(0, -2).sum(0)
        layer.register_forward_hook(add)
    with open(sys.argv[2]) as lines:
        for line, _ in zip(lines, range(ROWS)):
            text = " ".join(v for v in json.loads(line).values() if isinstance(v, str))
            ids = tokenizer(text, return_tensors="pt").input_ids[:, :TOKENS]
            model(input_ids=ids, labels=ids).loss.backward()
    found = collections.defaultdict(list)
    for name, layer in layers.items():
        weight, gradient, inputs = layer.weight.detach().abs(), layer.weight.grad.abs(), squares[name].sqrt()
        found[name.split(".")[-1]].append((spearman(gradient.mean(0), inputs), spearman(weight.mean(0), inputs),
                                           spearman(block_means(weight, size), block_means(gradient, size))))
    print("module      |G| and inputs   |W| and inputs   blocks of |W| and |G|")
    for module, values in found.items():
        print("{:10} {:+14.2f} {:+16.2f} {:+16.2f}".format(module, *torch.tensor(values).mean(0).tolist()))


main()
