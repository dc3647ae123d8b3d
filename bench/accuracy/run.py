#!/usr/bin/env python3
"""Tunes a model in every precision with several seeds and compares the results on held-out rows, always evaluated in float32.
See README.md."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULE = ["--target_modules", "q_proj,k_proj,v_proj", "--selection", "global", "--block_score", "mean_abs_sum", "--block_size", 64, "--learning_rate", 5e-4]


def held_out(args, out):
    """Files of the rows that no run trains on: as they are, and with prompt and response as one text."""
    rows = json.loads((pathlib.Path(args.data) / "math/train/math_9k.json").read_text())[args.train_rows:args.train_rows + args.test_rows]
    responses, tokens = out / "responses.json", out / "tokens.jsonl"
    responses.write_text(json.dumps(rows))
    tokens.write_text("".join(json.dumps({"text": "\n".join(filter(None, (r["instruction"], r.get("input"), r["output"])))}) + "\n" for r in rows))
    return {"responses": ("perplexity", responses, []), "all tokens": ("perplexity", tokens, []),
            "ARC-Easy": ("ARC-Easy", pathlib.Path(args.data) / "commonsense/test/ARC-Easy.json", ["--limit", str(args.choices)])}


def spike(metrics):
    """The largest ratio of a step's gradient norm to the median of the ten steps before it."""
    norms = [r["grad_norm"] for r in metrics if r.get("stage") == "tuning" and r["event"] == "step"]
    return max(norms[i] / statistics.median(norms[i - 10:i]) for i in range(10, len(norms)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="directory with math/train/math_9k.json and commonsense/test/ARC-Easy.json")
    parser.add_argument("--out", required=True, help="directory for runs and records; what is there is not made again")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--precisions", nargs="*", default=["float32", "bf16", "int8_backward", "int8"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--train_rows", type=int, default=1200)
    parser.add_argument("--test_rows", type=int, default=300)
    parser.add_argument("--choices", type=int, default=300, help="rows of ARC-Easy")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    measures = held_out(args, out)
    runs, differences = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        binary = str(pathlib.Path(scratch) / "smt")
        subprocess.run(["go", "build", "-o", binary, "./cmd/smt"], cwd=ROOT, check=True)

        def smt(*command):
            return subprocess.run([binary, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout

        for seed in args.seeds:
            for precision in args.precisions:
                run = out / f"{precision}-{seed}"
                if not (run / "adapter/adapter_config.json").exists():
                    smt("train", "--model_name_or_path", args.model, "--dataset", pathlib.Path(args.data) / "math/train/math_9k.json",
                        "--max_rows", args.train_rows, "--max_steps", args.steps, "--per_device_train_batch_size", 1, *RULE, "--seed", seed,
                        "--precision", precision, "--threads", args.threads, "--logging_steps", 1, "--output_dir", run, "--overwrite_output_dir")
                metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
                entry = runs[f"{precision}-{seed}"] = {"spike": spike(metrics), "seconds": metrics[-1]["train_seconds"]}
                for name, (task, dataset, flags) in measures.items():
                    entry[name] = json.loads(smt("eval", "--model_name_or_path", args.model, "--adapter", run / "adapter", "--task", task, "--dataset", dataset,
                                                 "--threads", args.threads, "--log_format", "json", "--records", out / f"{precision}-{seed}-{name}.jsonl", *flags))
                    if precision != args.precisions[0]:
                        paired = json.loads(smt("eval", "--compare", "--log_format", "json", out / f"{args.precisions[0]}-{seed}-{name}.jsonl",
                                                out / f"{precision}-{seed}-{name}.jsonl"))
                        differences.setdefault(f"{precision} {name}", []).append(paired)
                print(f"{precision}, seed {seed}:", json.dumps(entry), flush=True)
    (out / "summary.json").write_text(json.dumps({"arguments": vars(args), "runs": runs, "differences": differences}, indent=1))
    for name, pairs in differences.items():
        d = [p["difference"] for p in pairs]
        error = math.sqrt(sum(p["standard_error"] ** 2 for p in pairs)) / len(d)
        print(f"{name}: {statistics.mean(d):+.4f} beside {args.precisions[0]} (rows: standard error {error:.4f}; seeds: {', '.join(f'{x:+.4f}' for x in d)})")


main()
