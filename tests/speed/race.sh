#!/usr/bin/env bash
# Beside PyTorch, both sides in turn: Fashion-MNIST 784-256-10 (logistic, cross-entropy, sgd, batch 128, float64) on one core and on two,
# and rounds of the tutorial with neuron grains.
# Needs Debian's dataset-fashion-mnist, python3-torch and libopenblas0-pthread; says which of them is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=/usr/share/datasets/fashion-mnist
[ -d "$data" ] || { echo "dataset-fashion-mnist is missing; nothing was measured"; exit 0; }
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "python3-torch is missing; nothing was measured"; exit 0; }
dotnet build -c Release src/BackpropCluster.Cli >/dev/null
processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
versions=$(/usr/bin/python3 -c 'import torch; print("PyTorch", torch.__version__, "with", next((l.strip() for l in torch.__config__.show().splitlines() if "CPU capability" in l), "no capability named"))')
echo "$processor; $versions"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/fashion.yaml" <<YAML
version: 1
data: { source: idx, images: $data/train-images-idx3-ubyte.gz, labels: $data/train-labels-idx1-ubyte.gz, batch: 128, scale: minmax }
model:
  layers:
    - { units: 256, activation: logistic }
    - { units: 10, activation: identity }
  loss: cross_entropy
optimizer: { kind: sgd, learning_rate: 0.5 }
training: { epochs: 3 }
YAML
backprop=src/BackpropCluster.Cli/bin/Release/net10.0/backprop
ours() { taskset -c "$1" "$backprop" train "$folder/fashion.yaml" --run-dir "$folder" --set cluster.granularity="$2" --json 2>/dev/null | grep -oE '"samplesPerSecond":[0-9]+' | grep -oE '[0-9]+'; }
# Limited to AVX2 where ours is: its library would else use registers that a processor of that class does not have.
limit=(-u OPENBLAS_CORETYPE)
if [ "${DOTNET_EnableAVX512:-1}" = 0 ]; then limit=(OPENBLAS_CORETYPE=Haswell); fi
peer() { taskset -c "$1" env -u OPENBLAS_L2_SIZE "${limit[@]}" OPENBLAS_NUM_THREADS="$2" OMP_NUM_THREADS="$2" /usr/bin/python3 tests/speed/fashion.py "$data" "$2" 2; }
# The registers that ours computes with.
"$backprop" doctor | grep -o '[0-9]* processors.*bits'
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
for turn in 1 2 3; do
  a=$(ours 0 layer) b=$(peer 0 1)
  echo "turn $turn, one core: ours $a rows/s, PyTorch $b rows/s, ratio $(ratio "$a" "$b")"
done
# PyTorch gets the better of two threads and one; ours is one grain that shares its products, then two grains, same bits.
for turn in 1 2 3; do
  a=$(ours 0,1 layer) d=$(ours 0,1 128) b=$(peer 0,1 2) c=$(peer 0,1 1)
  best=$(( b > c ? b : c ))
  echo "turn $turn, two cores: ours $a rows/s as one grain, $d as two, PyTorch $b rows/s with two threads, $c with one," \
    "ratio $(ratio "$a" "$best") and $(ratio "$d" "$best")"
done
a=$("$backprop" bench training --json 2>/dev/null | grep -oE '"roundsPerSecond":[0-9]+' | head -1 | grep -oE '[0-9]+')
b=$(/usr/bin/python3 tests/speed/tutorial.py 20000)
echo "tutorial: neuron grains $a rounds/s, PyTorch $b rounds/s, ratio $(ratio "$a" "$b")"
