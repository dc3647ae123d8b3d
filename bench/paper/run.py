#!/usr/bin/env python3
"""Runs the paper's comparisons and studies on a model and the field's data, and keeps their results here. See README.md."""
import argparse
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What every experiment shares: steps of one packed sequence of 512 tokens.
COMMON = "--max_steps 100 --per_device_train_batch_size 1 --val_size 320 --refine 0"
# A rate more, between those of the grid, where methods lie so close together that the grid could decide which is ahead.
FINE = "--refine 1"
# The paper's rule, with blocks of 64, since 256 divides neither side of SmolLM2-135M's 576 and 192.
RULE = "--selection global --block_score mean_abs_sum --block_size 64"
PAPER = "--target_modules q_proj,k_proj,v_proj " + RULE
# The grids of learning rates, a factor of 3 apart, around the best of earlier looks at runs of this length; they grow where the
# best lies at an edge.
RATES = "--learning_rates 5e-4,1.5e-3,4.5e-3 --learning_rates full=3e-5,1e-4,3e-4"
MATH = "--dataset {data}/math/train/math_9k.json --max_rows 2000"
COMMONSENSE = "--dataset {data}/commonsense/train/commonsense_15k.json --max_rows 2000"
# The controls are those that the question needs: v_only is one of study mlp's.
METHODS = "--methods smt,full,lora,dora,random,diagonal,magnitude --seeds 1,2"
# The default rule: blocks (and the adapters of LoRA and DoRA) in all modules, each matrix with its share; full fine-tuning has
# its own rates.
ALL = ("--target_modules all --selection spread --block_score mean_abs_step --block_size 16 "
       "--learning_rates 1.5e-3,4.5e-3,1.35e-2 --learning_rates full=3e-5,1e-4,3e-4")
# The same with blocks twice as large, which were the default before study block-size.
ALL32 = ALL + " --block_size 32"
# Rates a factor of 2 apart, around the best of compare-math-all-16.
HALVES = "--learning_rates 2.2e-3,4.5e-3,9e-3"
# Products of frozen weights in 8-bit integers, twice as fast: the loss of such a run differs by 0.0000 ± 0.0002 (docs/performance.md).
INT8 = "--precision int8"
TRANSLATION = ("--dataset {data}/domains/multi30k_en_de_train.json --max_rows 2000 --task_limit 200 "
               "--tasks multi30k={data}/domains/multi30k_en_de_test.json")
# The other domains, as tasks to hold the default rule against: few rows, many passes over them.
LEGAL, MEDICAL, CODE = (f"--dataset {{data}}/domains/{file}" for file in ("legalbench_fewshot.json", "pubmedqa_train.json", "mbpp_train.json"))
RULES = f"{ALL} {INT8} {HALVES} --methods smt,lora,magnitude,random --seeds 1,2"
ACCURACY = "--task_limit 200 --tasks boolq={data}/commonsense/test/boolq.json --tasks piqa={data}/commonsense/test/piqa.json"
WORDED = "--protocol greedy --task_limit 200 --tasks AddSub={data}/math/test/AddSub.json --tasks MultiArith={data}/math/test/MultiArith.json"
TASKS = "--max_rows 2000 " + " ".join("--dataset {data}/" + file for file in (
    "math/train/math_9k.json", "commonsense/train/commonsense_15k.json", "domains/mbpp_train.json",
    "domains/multi30k_en_de_train.json", "domains/pubmedqa_train.json", "domains/legalbench_fewshot.json"))

EXPERIMENTS = {
    "compare-math": f"compare {MATH} {PAPER} {METHODS}",
    # Full fine-tuning, which no choice of modules changes, is that of compare-math.
    "compare-math-all": f"compare {MATH} {ALL32} --methods smt,lora,dora,random,diagonal --seeds 1,2",
    "compare-math-all-16": f"compare {MATH} {ALL} {FINE} {METHODS}",
    # Four times as many steps, enough for exact match to move; at default rates, and at those which compare-math-all-16 chose.
    "compare-math-long": (f"compare {MATH} {ALL} {INT8} {WORDED} --methods smt,full,lora,dora,random,magnitude --seeds 1,2 "
                          "--max_steps 400 --extend 0 --learning_rates 4.5e-3 --learning_rates smt=3.5e-3 "
                          "--learning_rates random=6.9e-3 --learning_rates magnitude=6.9e-3 --learning_rates full=1e-4"),
    "compare-commonsense": f"compare {COMMONSENSE} {PAPER} {ACCURACY} --methods smt,lora --seeds 1,2",
    "compare-commonsense-all": f"compare {COMMONSENSE} {ACCURACY} {ALL32} {METHODS}",
    "compare-commonsense-all-16": f"compare {COMMONSENSE} {ACCURACY} {ALL} {FINE} --methods smt,random,diagonal --seeds 1,2",
    "compare-translation": f"compare {TRANSLATION} {RULES} --methods full",  # beside those of RULES
    "compare-legal": f"compare {LEGAL} {RULES}",
    "compare-medical": f"compare {MEDICAL} {RULES}",
    "compare-code": f"compare {CODE} {RULES}",
    "memory": f"study memory {MATH} {PAPER}",
    "memory-all": f"study memory {MATH} {ALL}",
    "memory-default": f"study memory {MATH}",
    "breakeven": f"study breakeven {MATH} {PAPER}",
    "breakeven-all": f"study breakeven {MATH} {ALL}",
    "block-size": f"study block-size {MATH} {PAPER} {INT8} --seeds 1,2",
    "block-size-all": f"study block-size {MATH} {ALL32} {INT8} --seeds 1,2 --block_sizes 16,32,64,96",
    "warmup": f"study warmup {MATH} {PAPER} --learning_rates 1.5e-3 --seeds 1,2 --warmups 0,5,50",
    "mlp": f"study mlp {MATH} {RULE} {INT8} --seeds 1,2",
    "plateau": f"study plateau {MATH} {ALL} {INT8} --seeds 1,2 --methods smt,lora --budgets 0.43,0.84,4.9",
    "plateau-magnitude": f"study plateau {MATH} {ALL} {INT8} --seeds 1,2 --methods magnitude --budgets 0.43,4.9",
    # Where blocks are few, which ones are chosen should matter most.
    "plateau-small": f"study plateau {MATH} {ALL} {INT8} --seeds 1,2 --methods smt,magnitude,random --budgets 0.05,0.2",
    "plateau-large": f"study plateau {MATH} {ALL} {INT8} {FINE} --seeds 1,2 --methods smt,magnitude,lora --budgets 1.7,3",
    "plateau-dora": f"study plateau {MATH} {ALL} {INT8} --seeds 1,2 --methods dora --budgets 0.43,4.9",
    # The smallest adapter that LoRA can have, of rank 1 in all modules.
    "plateau-rank1": f"study plateau {MATH} {ALL} {INT8} --seeds 1,2 --methods lora --budgets 0.227",
    "selection": (f"study selection {MATH} {PAPER} {INT8} {FINE} --seeds 1,2 "
                  "--sample 12 --methods mean_abs_sum,mean_abs_step,abs_mean_sum,token_fisher,random"),
    # The rates are those that compare-math, compare-math-all and compare-math-all-16 choose: no task but math_9k has been looked at for them.
    "tasks": f"study tasks {PAPER} {INT8} --learning_rates 1.5e-3 --seeds 1,2 {TASKS}",
    "tasks-all": f"study tasks {ALL32} {INT8} --learning_rates 4.5e-3 --seeds 1,2 {TASKS}",
    "tasks-all-16": f"study tasks {ALL} {INT8} --learning_rates 4.5e-3 --seeds 1,2 {TASKS}",
    "tasks-magnitude": f"study tasks {ALL} {INT8} --block_score magnitude --learning_rates 7.8e-3 --seeds 1,2 {TASKS}",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(EXPERIMENTS), help="experiments: " + ", ".join(EXPERIMENTS))
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="directory of math/, commonsense/ and domains/")
    parser.add_argument("--out", required=True, help="directory for the runs, gone on with if it is there")
    parser.add_argument("--dry_run", action="store_true", help="print the cells and how long they will take")
    parser.add_argument("--set", action="append", default=[], metavar="FLAG", help="a flag that comes last, such as --set=--max_steps=200; may be given again")
    args = parser.parse_args()
    for name in args.names:
        if name not in EXPERIMENTS:
            parser.error(f"experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
    with tempfile.TemporaryDirectory() as scratch:
        binary = str(pathlib.Path(scratch) / "smt")
        subprocess.run(["go", "build", "-o", binary, "./cmd/smt"], cwd=ROOT, check=True)
        for name in args.names:
            out = pathlib.Path(args.out) / name
            words = EXPERIMENTS[name].format(data=args.data).split()
            rates = [] if "--learning_rates" in words else RATES.split()
            own = 2 if words[0] == "study" else 1  # flags that come later win
            flags = [*words[:own], *COMMON.split(), *rates, *words[own:], "--model_name_or_path", args.model, "--output_dir", str(out), *args.set]
            print("smt", *flags, flush=True)
            subprocess.run([binary, *flags, *(["--dry_run"] if args.dry_run else [])], check=True)
            if not args.dry_run:
                keep(name, out, {str(out): f"OUT/{name}", args.model: "MODEL", args.data: "DATA"})


def keep(name, out, places):
    """Copies what an experiment found to results/, but for the losses of single rows, with names for the places on this machine."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)

    def named(text):
        for place, word in places.items():
            text = text.replace(place, word)
        return text

    found = without_long_lists(json.loads((out / "results.json").read_text()))
    (results / f"{name}.json").write_text(named(json.dumps(found, indent=1)) + "\n")
    (results / f"{name}.csv").write_text(named((out / "results.csv").read_text()))


def without_long_lists(value):
    """The same JSON without lists of more than 99 numbers: a loss for each row, a gradient norm for each step."""
    if isinstance(value, dict):
        return {k: without_long_lists(v) for k, v in value.items() if not (isinstance(v, list) and len(v) > 99)}
    if isinstance(value, list):
        return [without_long_lists(v) for v in value]
    return value


main()
