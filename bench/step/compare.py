#!/usr/bin/env python3
"""Times optimizer steps of smt and of PyTorch + PEFT on the same shapes, in turns, and prints the ratios with their spread. See README.md."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="M", choices=["S", "M", "L"])
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["smt", "lora", "dora", "full"],
                        help="methods of PyTorch, in float32 unless :bf16 follows; full runs with the fused AdamW")
    parser.add_argument("--ours", nargs="*", default=["smt:float32", "smt:float32:checkpointing", "smt:bf16", "smt:int8_backward", "smt:int8"],
                        help="method:precision of smt, and :checkpointing to recompute activations")
    parser.add_argument("--json", help="file for the results of every round")
    args = parser.parse_args()
    shape = ["--config", args.config, "--seq", str(args.seq), "--batch", str(args.batch), "--steps", str(args.steps), "--warmup", str(args.warmup),
             "--threads", str(args.threads)]
    ours = {name: [] for name in args.ours}
    peers = {name: [] for name in args.peers}
    with tempfile.TemporaryDirectory() as scratch:
        binary = str(pathlib.Path(scratch) / "smt")
        subprocess.run(["go", "build", "-o", binary, "./cmd/smt"], cwd=ROOT, check=True)

        def run(command, results, name):
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            r = json.loads(output.splitlines()[-1])
            memory = r.get("delta_mib", r.get("delta_process_mib"))
            results.append({"step": r["step_s"], "memory": memory, "line": r})
            print(f"{name}: {r['step_s']:.2f} s a step" + (f", {memory:.0f} MiB over the process before it" if memory else ""), flush=True)

        for i in range(args.rounds):
            print(f"round {i + 1}")
            for name, results in ours.items():
                method, precision, *checkpointing = name.split(":")
                flags = ["--gradient_checkpointing"] if checkpointing else []
                run([binary, "bench", "step", "--method", method, "--precision", precision, *shape, *flags], results, "smt " + name)
            for name, results in peers.items():
                method, *dtype = name.split(":")
                flags = ["--dtype", *(dtype or ["fp32"]), "--ckpt", "0"] + (["--fused", "1"] if method == "full" else [])
                run([sys.executable, str(ROOT.parent / "shared/peers/bench_step.py"), "--method", method, *shape, *flags], results, "PyTorch " + name)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"arguments": vars(args), "smt": ours, "pytorch": peers}, indent=1))
    for name, mine in ours.items():
        for method, theirs in peers.items():
            ratios = sorted(b["step"] / a["step"] for a, b in zip(mine, theirs))
            line = f"smt {name} / PyTorch {method}: tokens/s {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            if all(r["memory"] for r in mine + theirs):
                line += f", memory {100 * statistics.median(r['memory'] for r in mine) / statistics.median(r['memory'] for r in theirs):.0f} %"
            print(line)


main()
