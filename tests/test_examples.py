"""The notebooks run from their first cell to their last."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / 'examples'
LARGEST = 400_000  # bytes; people read them on the web


@pytest.mark.parametrize('path', sorted(EXAMPLES.glob('*.ipynb')), ids=lambda path: path.name)
class TestNotebook:
    @pytest.mark.slow
    def test_runs(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('PYTHONPATH', str(EXAMPLES.parent))
        monkeypatch.setenv('OMP_NUM_THREADS', '1')
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=1800, resources={'metadata': {'path': str(EXAMPLES)}}).execute()

    def test_shows_what_it_gave_and_no_path_of_a_machine(self, path: Path) -> None:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        outputs = [output for cell in cells for output in cell.outputs]
        assert any(output.output_type == 'display_data' for output in outputs)
        assert not [output for output in outputs if output.output_type == 'error' or output.get('name') == 'stderr']
        text = path.read_text(encoding='utf-8')
        assert len(text) < LARGEST
        assert str(Path.home()) not in text and '.venv' not in text and 'site-packages' not in text
