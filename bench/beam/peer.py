#!/usr/bin/env python3
"""Generates with transformers in float32, one prompt at a time (no padding), and writes prompts and results as token ids.

usage: peer.py MODEL_DIR DATA_DIR OUT.json [ROWS [NEW_TOKENS]]
DATA_DIR holds boolq.json, piqa.json ... in the LLM-Adapters format.
"""
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TASKS = ["boolq", "piqa", "social_i_qa", "ARC-Easy", "openbookqa"]
CASES = {
    "greedy": {},
    "greedy, repetition penalty 1.1": {"repetition_penalty": 1.1},
    "4 beams": {"num_beams": 4},
    "4 beams, repetition penalty 1.1": {"num_beams": 4, "repetition_penalty": 1.1},
}
PROMPT = ("Below is an instruction that describes a task. Write a response that appropriately completes the request. \n\n"
          "### Instruction:\n{}\n\n### Response:\n")


def main():
    directory, data, out = sys.argv[1:4]
    rows = int(sys.argv[4]) if len(sys.argv) > 4 else 10
    new = int(sys.argv[5]) if len(sys.argv) > 5 else 48
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    stop = model.generation_config.eos_token_id
    stop = stop if isinstance(stop, list) else [stop]

    files = [json.load(open(f"{data}/{task}.json")) for task in TASKS]
    texts = [PROMPT.format(files[i % len(files)][i // len(files)]["instruction"]) for i in range(rows)]
    prompts = [tokenizer(text).input_ids for text in texts]
    result = []
    for name, options in CASES.items():
        outputs, start = [], time.time()
        for prompt in prompts:
            ids = torch.tensor([prompt])
            with torch.no_grad():
                ids = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new, **options)
            ids = ids[0, len(prompt):].tolist()
            ends = [i for i, token in enumerate(ids) if token in stop]
            outputs.append(ids[:ends[0]] if ends else ids)
        result.append({"name": name, "options": options, "max_new_tokens": new, "stop": stop, "prompts": prompts,
                       "outputs": outputs, "seconds": time.time() - start})
        print(f"{name}: {sum(map(len, outputs))} new tokens in {result[-1]['seconds']:.1f} s", flush=True)
    with open(out, "w") as f:
        json.dump(result, f)


main()
