#!/usr/bin/env bash
# What has to be run where there is a card, most wanted first; each part ends within ten minutes.
#
#   bash tests/benchmarks/on_a_card.sh [OUT] [PART ...]     OUT: a folder, runs/card; PARTS: tests speed row cells levers
#
# row needs Omniglot (METANAS_DATA or ./data) and goes on where it stopped: run it again until it prints its table.
set -uo pipefail
out=${1:-runs/card}
[ $# -gt 0 ] && shift
parts=${*:-tests speed row cells levers}
mkdir -p "$out"
run() {  # NAME SECONDS COMMAND ...
    echo "== $1"
    timeout "$2" "${@:3}" 2>&1 | tee -a "$out/$1.txt"
}
for part in $parts; do
    case $part in
    tests) run tests 590 python -m pytest -m gpu -q --timeout 120 --durations 10 --tb short ;;
    speed) run speed 480 python -m tests.benchmarks.bench_device --device cuda ;;
    row) run row 590 python -m metanas reproduce maml-omniglot-5w1s --scale paper --device cuda --workers 4 --seeds 0 \
        --out "$out/maml-omniglot-5w1s" --db "$out/board.db" ;;
    cells) run cells 420 python -m tests.benchmarks.bench_cells --device cuda ;;
    levers) run levers 590 python -m tests.benchmarks.bench_levers --device cuda --limit 60 ;;
    *) echo "no part $part" >&2; exit 2 ;;
    esac
done
