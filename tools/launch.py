"""torchrun, whose last line says which process died of what: python tools/launch.py [options of torchrun] SCRIPT ..."""
from torch.distributed.run import parse_args, run

from fec_mm.apis import run_cli

if __name__ == '__main__':
    run_cli(lambda: run(parse_args(None)))  # its `main` without the table of failures
