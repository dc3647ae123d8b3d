#!/usr/bin/env python3
"""Writes what transformers computes in float64 with a model of yours, for smt parity.

usage: reference.py MODEL_DIR OUT_DIR [ADAPTER_DIR]
OUT_DIR gets ref.safetensors (input_ids, labels, logits, loss) and grads.safetensors (d loss / d parameter).
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROWS, TOKENS = 2, 32


def main():
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float64, attn_implementation="eager").eval()
    if len(sys.argv) > 3:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, sys.argv[3], is_trainable=True)
    ids = torch.randint(3, model.config.vocab_size, (ROWS, TOKENS))
    labels = ids.clone()
    labels[:, :TOKENS // 4] = -100
    out = model(input_ids=ids, labels=labels)
    out.loss.backward()
    target = pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    save_file({"input_ids": ids, "labels": labels, "logits": out.logits.detach(), "loss": out.loss.detach().reshape(1)}, target / "ref.safetensors")
    save_file({stored(n): p.grad.float().contiguous() for n, p in model.named_parameters() if p.grad is not None}, target / "grads.safetensors")
    print(f"loss {out.loss.item():.12g}, {target}")


def stored(name):
    """A parameter's name in adapter_model.safetensors: PEFT adds the name of the adapter, "default", when it loads one."""
    return name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(".default.", ".")


main()
