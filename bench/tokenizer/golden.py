#!/usr/bin/env python3
"""Writes what Hugging Face's tokenizers library makes of some texts with small tokenizers that show one component each, for
the tests of package tokenizer.

usage: golden.py OUT.json
"""
import json
import random
import sys

import tokenizers

import components

TEXTS = 10     # for each tokenizer
LONGEST = 120  # bytes of a text


def byte_offsets(text, offsets):
    """Offsets in characters as offsets in bytes."""
    at = [0]
    for char in text:
        at.append(at[-1] + len(char.encode()))
    return [[at[start], at[end]] for start, end in offsets]


def main():
    rng = random.Random(5)
    lines = []
    for name, spec, inputs, check_offsets in components.cases(3, 400):
        texts = []
        for raw in inputs:
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                continue
            if 0 < len(raw) <= LONGEST:
                texts.append(text)
        theirs = tokenizers.Tokenizer.from_str(json.dumps(spec))
        case = {"name": name, "tokenizer": spec, "texts": rng.sample(texts, min(TEXTS, len(texts))), "ids": [], "decoded": []}
        if check_offsets:
            case["offsets"] = []
        for text in case["texts"]:
            encoding = theirs.encode(text, add_special_tokens=True)
            case["ids"].append(encoding.ids)
            case["decoded"].append(theirs.decode(encoding.ids, skip_special_tokens=True))
            if check_offsets:
                case["offsets"].append(byte_offsets(text, encoding.offsets))
        if case["texts"]:
            lines.append(json.dumps(case, separators=(",", ":")))
    with open(sys.argv[1], "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
