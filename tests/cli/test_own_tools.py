"""Tools of the toolboxes by name."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from fec_mm.cli import own_tools
from fec_mm.errors import UserError


@pytest.mark.parametrize('name', ['misc/print_config.py', 'misc/print_config', 'print_config'])
def test_a_tool_by_its_name(name: str) -> None:
    for scope in ('mmpretrain', 'mmdet', 'mmseg'):
        tool = own_tools.find_tool(scope, name)
        assert tool.is_file() and tool.name == 'print_config.py' and scope in tool.parts


@pytest.mark.parametrize(
    ('argv', 'says'),
    [
        ([], 'one of mmpretrain, mmdet, mmseg'),
        (['mmrotate', 'train.py'], 'usage: python tools/mm.py'),
        (['mmpretrain', 'visualize_cam.py'], 'visualization/vis_cam.py'),
        (['mmseg', 'browse_dataset'], 'several tools .* analysis_tools/browse_dataset.py, misc/browse_dataset.py'),
    ],
)
def test_a_line_for_others(argv: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        own_tools.main(argv)


def test_without_a_tool_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    own_tools.main(['mmdet'])
    assert 'analysis_tools/coco_error_analysis.py' in capsys.readouterr().out.splitlines()


def test_a_tool_sees_its_own_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(runpy, 'run_path', lambda path, run_name: seen.append((path, run_name, sys.argv, sys.path[0])))
    monkeypatch.setattr(sys, 'argv', ['mm.py'])
    monkeypatch.setattr(sys, 'path', ['here', *sys.path])
    monkeypatch.setattr(own_tools.compat, 'mend_tools', lambda scope, tool: seen.append((scope, tool)))
    own_tools.main(['mmseg', 'publish_model', 'in.pth', '--help'])
    assert seen[0] == ('mmseg', 'publish_model.py')
    path, name, argv, folder = seen[1]
    assert (name, argv) == ('__main__', [path, 'in.pth', '--help'])
    assert folder == str(Path(path).parent)
