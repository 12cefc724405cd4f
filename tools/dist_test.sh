#!/usr/bin/env bash
# Evaluate with several processes on this machine: tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# Without GPUs, GPUS is the number of CPU processes.
set -euo pipefail
CONFIG=${1:?usage: $0 CONFIG CHECKPOINT GPUS [options]}
CHECKPOINT=${2:?usage: $0 CONFIG CHECKPOINT GPUS [options]}
GPUS=${3:?usage: $0 CONFIG CHECKPOINT GPUS [options]}

exec python "$(dirname "$0")/launch.py" \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$GPUS" \
    --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
