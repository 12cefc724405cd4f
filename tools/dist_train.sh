#!/usr/bin/env bash
# Train with several processes on this machine: tools/dist_train.sh CONFIG GPUS [options of train.py]
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# Without GPUs, GPUS is the number of CPU processes.
set -euo pipefail
CONFIG=${1:?usage: $0 CONFIG GPUS [options]}
GPUS=${2:?usage: $0 CONFIG GPUS [options]}

exec python "$(dirname "$0")/launch.py" \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$GPUS" \
    --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
