"""Compares smt's tokenizer with Hugging Face's tokenizers library: ids, decoded texts and offsets. See README.md."""

import argparse
import base64
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers

import components
from texts import texts

HERE = pathlib.Path(__file__).resolve().parent


def encode(binary, directory, inputs, decode):
    request = {"texts": [base64.b64encode(text).decode() for text in inputs], "decode": decode}
    result = subprocess.run([binary, "encode", directory], input=json.dumps(request).encode(), capture_output=True)
    if result.returncode:
        sys.exit(f"{directory}: {result.stderr.decode()}")
    return json.loads(result.stdout)


def byte_offsets(text, offsets):
    """Offsets in characters as offsets in bytes."""
    at = [0]
    for char in text:
        at.append(at[-1] + len(char.encode()))
    return [[at[start], at[end]] for start, end in offsets]


def compare(binary, directory, inputs, check_offsets, seed):
    """Prints the differences for one tokenizer and returns their number."""
    theirs = tokenizers.Tokenizer.from_file(str(pathlib.Path(directory) / "tokenizer.json"))
    theirs.no_truncation()
    theirs.no_padding()
    rng = random.Random(seed)
    known = sorted(theirs.get_vocab(with_added_tokens=True).values())
    decode = [[rng.choice(known) for _ in range(rng.randint(1, 20))] for _ in range(min(len(inputs), 2000))]
    ours = encode(binary, directory, inputs, decode)
    wrong = {"ids": 0, "text": 0, "offsets": 0, "decode": 0}

    def report(kind, *what):
        wrong[kind] += 1
        if wrong[kind] <= 3:
            print(f"  {kind}:", *(str(w)[:300] for w in what))

    tokens = 0
    for i, raw in enumerate(inputs):
        text = raw.decode("utf-8", "replace")
        encoding = theirs.encode(text, add_special_tokens=True)
        tokens += len(encoding.ids)
        if encoding.ids != ours["ids"][i]:
            report("ids", ascii(text), encoding.ids, ours["ids"][i])
            continue
        if theirs.decode(encoding.ids, skip_special_tokens=True) != ours["round_trip"][i]:
            report("text", ascii(text), ascii(ours["round_trip"][i]))
        if check_offsets and text.encode() == raw:
            want = byte_offsets(text, encoding.offsets)
            for token, (want_span, got) in enumerate(zip(want, ours["offsets"][i])):
                if got != [-1, -1] and got != want_span:
                    report("offsets", ascii(text), token, want_span, got)
                    break
    for ids, got in zip(decode, ours["decoded"] or []):
        if theirs.decode(ids, skip_special_tokens=False) != got:
            report("decode", ids, ascii(got))
    print(f"{directory}: {len(inputs)} texts, {tokens} tokens, {len(decode)} lists of ids; different: {wrong}", flush=True)
    return sum(wrong.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="*", help="directories with a tokenizer.json")
    parser.add_argument("--data", default="", help="directory with JSON files to take real texts from")
    parser.add_argument("--count", type=int, default=20000, help="texts for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--components", action="store_true", help="also compare each kind of component by itself")
    args = parser.parse_args()
    print("tokenizers", tokenizers.__version__)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        binary = str(pathlib.Path(scratch) / "tokenizer")
        subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE, check=True)
        for directory in args.directories:
            spec = json.loads((pathlib.Path(directory) / "tokenizer.json").read_text())
            added = [token["content"] for token in spec["added_tokens"]]
            # Where characters are composed, theirs names only the first of them as the origin, ours all.
            check_offsets = "NFC" not in json.dumps(spec["normalizer"])
            wrong += compare(binary, directory, texts(args.seed, args.count, added, args.data), check_offsets, args.seed)
        if args.components:
            for name, spec, inputs, check_offsets in components.cases(args.seed, args.count // 10):
                directory = pathlib.Path(scratch) / name
                directory.mkdir()
                (directory / "tokenizer.json").write_text(json.dumps(spec))
                wrong += compare(binary, str(directory), inputs, check_offsets, args.seed)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
