#!/usr/bin/env python3
"""Writes what transformers generates with tiny random models, for the tests of package generate.

usage: golden.py REFERENCE_DIR OUT.json
REFERENCE_DIR holds llama/, qwen3/ and mistral_swa/ as Hugging Face directories.
"""
import json
import random
import sys

import torch
from transformers import AutoModelForCausalLM

NEW = 24
CASES = [
    {},
    {"repetition_penalty": 1.3},
    {"num_beams": 2},
    {"num_beams": 4},
    {"num_beams": 4, "repetition_penalty": 1.1},
    {"num_beams": 4, "length_penalty": 2.0},
    {"num_beams": 4, "length_penalty": -0.5},
    {"num_beams": 3, "early_stopping": True},
    {"num_beams": 5, "repetition_penalty": 0.8, "length_penalty": 0.5},
]


def new_tokens(model, prompt, stop, **options):
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW,
                             use_cache=True, eos_token_id=stop or None, pad_token_id=0, **options)
    out = out[0, len(prompt):].tolist()
    for i, token in enumerate(out):
        if token in stop:
            return out[:i]
    return out


def main():
    random.seed(7)
    golden = []
    for name in ["llama", "qwen3", "mistral_swa"]:
        model = AutoModelForCausalLM.from_pretrained(f"{sys.argv[1]}/{name}", dtype=torch.float64).eval()
        model.generation_config.eos_token_id = None
        prompts = [[random.randrange(3, model.config.vocab_size) for _ in range(n)] for n in (1, 5, 11, 16)]
        # Tokens that appear in the middle of likely sequences make good stop tokens.
        free = [new_tokens(model, p, [], num_beams=4) for p in prompts]
        for options in CASES:
            for stop in [[], [free[0][9]], [free[1][6], free[2][12], free[3][15]]]:
                outputs = [new_tokens(model, p, stop, **options) for p in prompts]
                golden.append({"model": name, "options": options, "stop": stop, "prompts": prompts, "outputs": outputs})
    with open(sys.argv[2], "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(g, separators=(",", ":")) for g in golden) + "\n]\n")


main()
