"""torchrun, whose last line says which process died of what: python tools/launch.py [options of torchrun] SCRIPT ..."""
from torch.distributed.run import main

from fec_mm.apis import run_cli

if __name__ == '__main__':
    run_cli(main.__wrapped__)  # without torchrun's own table of failures
