#!/usr/bin/env bash
# Fashion-MNIST 784-256-10, logistic, cross-entropy, sgd, batch 128, float64: layer grains beside PyTorch, in turn, on one core.
# Needs Debian's dataset-fashion-mnist, python3-torch and libopenblas0-pthread; says which of them is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=/usr/share/datasets/fashion-mnist
[ -d "$data" ] || { echo "dataset-fashion-mnist is missing; nothing was measured"; exit 0; }
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "python3-torch is missing; nothing was measured"; exit 0; }
dotnet build -c Release src/BackpropCluster.Cli >/dev/null
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
for turn in 1 2 3; do
  ours=$(taskset -c 0 src/BackpropCluster.Cli/bin/Release/net10.0/backprop train "$folder/fashion.yaml" --run-dir "$folder" --json 2>/dev/null \
    | grep -oE '"samplesPerSecond":[0-9]+' | grep -oE '[0-9]+')
  peer=$(taskset -c 0 env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 /usr/bin/python3 tests/speed/fashion.py "$data" 1 2)
  echo "turn $turn: ours $ours rows/s, PyTorch $peer rows/s, ratio $(awk "BEGIN { printf \"%.2f\", $ours / $peer }")"
done
