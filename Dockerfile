# UNTESTED: written for a machine with an NVIDIA GPU and the NVIDIA container toolkit; nobody has built it yet.
#
#   docker build -t fec_mm .
#   docker run --gpus all --shm-size=8g -v /path/to/data:/fec_mm/data fec_mm python tools/quickstart.py classification
#
# mmcv has no wheels for current versions of torch and is compiled, with CUDA, against the torch of the base image, whose nvcc
# (the -devel images have one) fits it. TORCH_CUDA_ARCH_LIST: the GPUs to compile for; fewer compile faster.
# Choose a -devel tag that exists; requirements.txt has the torch that is tested (on CPU).
ARG TORCH=2.13.0
ARG CUDA=13.0
FROM pytorch/pytorch:${TORCH}-cuda${CUDA}-cudnn9-devel

ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0"
ARG MAX_JOBS=8
# There is no GPU while an image is built, which FORCE_CUDA makes up for.
ENV FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST=${TORCH_CUDA_ARCH_LIST} MAX_JOBS=${MAX_JOBS} PIP_NO_CACHE_DIR=1

RUN apt-get update && apt-get install -y --no-install-recommends g++ git libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*

WORKDIR /fec_mm
COPY requirements.txt .
# The order is the Makefile's: build tools, mmcv against the torch that is there, everything else. torch and torchvision are the
# image's: the constraint keeps pip from replacing them.
RUN grep -Ev '^torch' requirements.txt > others.txt \
 && pip freeze | grep -E '^(torch|torchvision)==' > constraints.txt \
 && pip install -c constraints.txt 'setuptools<81' wheel ninja psutil 'numpy>=2,<3' \
 && pip install --no-build-isolation -c constraints.txt "$(grep '^mmcv==' requirements.txt)" \
 && pip install --no-build-isolation -c constraints.txt -r others.txt \
 && python -c 'import mmcv.ops, torchvision'

COPY . .
RUN pip install --no-build-isolation --no-deps -e .
CMD ["python", "-m", "pytest"]
