"""Run a tool of mmpretrain, mmdet or mmseg: python tools/mm.py TOOLBOX TOOL [ARGUMENTS]; without TOOL it lists them."""

from fec_mm.cli import run_cli

if __name__ == '__main__':
    run_cli('fec_mm.cli.own_tools')
