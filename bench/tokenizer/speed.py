#!/usr/bin/env python3
"""Times smt's tokenizer and Hugging Face's on one core, in turns, on the rows of a JSON file.

usage: speed.py TOKENIZER_DIR ROWS.json [ROUNDS]
"""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402  reads the variables above

HERE = pathlib.Path(__file__).resolve().parent


def main():
    directory, rows = sys.argv[1], json.load(open(sys.argv[2]))
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    texts = [row["instruction"] + row["output"] for row in rows]
    request = json.dumps({"texts": [base64.b64encode(t.encode()).decode() for t in texts]}).encode()
    theirs = tokenizers.Tokenizer.from_file(f"{directory}/tokenizer.json")
    theirs.no_truncation()
    theirs.no_padding()
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        binary = str(pathlib.Path(scratch) / "tokenizer")
        subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE, check=True)
        for i in range(rounds):
            ours = json.loads(subprocess.run([binary, "speed", directory], input=request, capture_output=True, check=True).stdout)
            started = time.perf_counter()
            tokens = sum(len(theirs.encode(t).ids) for t in texts)
            one = time.perf_counter() - started
            started = time.perf_counter()
            theirs.encode_batch(texts)
            batch = time.perf_counter() - started
            if tokens != ours["tokens"]:
                sys.exit(f"{ours['tokens']} tokens, Hugging Face's library gives {tokens}")
            our_rate, their_rate = tokens / ours["seconds"], tokens / min(one, batch)
            ratios.append(our_rate / their_rate)
            print(f"round {i + 1}: smt {our_rate / 1e6:.2f} M tokens/s (first pass {tokens / ours['first_seconds'] / 1e6:.2f}), "
                  f"tokenizers {tokenizers.__version__} {their_rate / 1e6:.2f} M tokens/s, ratio {ratios[-1]:.1f}", flush=True)
    ratios.sort()
    print(f"{tokens} tokens of {len(texts)} texts on one core: ratio {ratios[len(ratios) // 2]:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})")


main()
