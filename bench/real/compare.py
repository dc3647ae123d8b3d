#!/usr/bin/env python3
"""Fine-tunes SmolLM2-135M on rows of commonsense_15k with smt, selection included, and in full with PyTorch as a user would
(padded batches), in turns, and prints rows per second and peak memory with their ratios. See README.md."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULE = ["--target_modules", "q_proj,k_proj,v_proj", "--selection", "global", "--block_score", "mean_abs_sum"]


def ours(binary, args, precision, out):
    """One run of smt train; the last line of its metrics."""
    dataset = out / "rows.json"
    if not dataset.exists():
        dataset.write_text(json.dumps(json.loads(pathlib.Path(args.data).read_text())[:args.rows]))
    command = [binary, "train", "--model_name_or_path", args.model, "--dataset", str(dataset), "--output_dir", str(out / precision),
               "--overwrite_output_dir", "--precision", precision, "--block_size", str(args.block), *RULE, "--threads", str(args.threads),
               "--per_device_train_batch_size", str(args.sequences), "--learning_rate", "1e-4"]
    subprocess.run(command, check=True, capture_output=True)
    done = json.loads((out / precision / "metrics.jsonl").read_text().splitlines()[-1])
    return {"rows_s": args.rows / done["train_seconds"], "peak": done["peak_rss_mib"], "seconds": done["train_seconds"],
            "tokens": done["tokens"], "steps": done["steps"], "loss": done["final_loss"]}


def peer(args, method):
    """One run of train_real.py."""
    command = [sys.executable, str(ROOT.parent / "shared/peers/train_real.py"), "--model", args.model, "--data", args.data, "--method", method,
               "--rows", str(args.peer_rows), "--batch", "8", "--threads", str(args.threads)]
    r = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return {"rows_s": r["rows_s"], "peak": r["peak_rss_mib"], "seconds": r["seconds"], "tokens": r["real_tokens"], "padded": r["padded_tokens"],
            "loss": r["loss_last"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=256, help="rows that smt trains on")
    parser.add_argument("--peer_rows", type=int, default=64, help="rows that PyTorch trains on; its rows/s do not depend on it")
    parser.add_argument("--sequences", type=int, default=2, help="packed sequences of 512 tokens in a batch: 2 hold about 8 rows")
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["full"], choices=["full", "lora", "dora", "smt"])
    parser.add_argument("--precisions", nargs="*", default=["float32", "bf16", "int8_backward", "int8"])
    parser.add_argument("--json", help="file for the results of every round")
    args = parser.parse_args()
    results = {name: [] for name in args.precisions + args.peers}
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch)
        binary = str(out / "smt")
        subprocess.run(["go", "build", "-o", binary, "./cmd/smt"], cwd=ROOT, check=True)
        for i in range(args.rounds):
            for name in results:
                r = ours(binary, args, name, out) if name in args.precisions else peer(args, name)
                results[name].append(r)
                print(f"round {i + 1}: {name}: {r['rows_s']:.3f} rows/s, {r['tokens'] / r['seconds']:.0f} tokens/s, {r['peak']:.0f} MiB, "
                      f"last loss {r['loss']:.4f}", flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"arguments": vars(args), "results": results}, indent=1))
    for method in args.peers:
        for precision in args.precisions:
            ratios = sorted(a["rows_s"] / b["rows_s"] for a, b in zip(results[precision], results[method]))
            memory = statistics.median(a["peak"] for a in results[precision]) / statistics.median(b["peak"] for b in results[method])
            print(f"smt {precision} / PyTorch {method}: rows/s {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
                  f"peak memory {100 * memory:.1f} %")


main()
