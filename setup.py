"""Packaging of fec_mm: pure Python, ranges only.

The OpenMMLab packages are extras and not requirements, because forks provide the same import names under other
distribution names (`onedl-mmcv` is imported as `mmcv`), and because a cluster's own torch and mmcv must stay untouched.
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (HERE / 'fec_mm/__init__.py').read_text())[1]

EXTRAS = {
    'openmmlab': [
        'mmengine>=0.10.3,<1',
        'mmcv>=2.0.0rc4,<2.2',
        'mmdet>=3.1,<4',
        'mmsegmentation>=1.1,<2',
        'mmpretrain>=1.0,<2',
        'torchvision',
        'setuptools<81',
        'ftfy',
        'regex',
    ],
    'onedl': ['onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmsegmentation', 'onedl-mmpretrain'],
    'quickstart': ['mlxtend>=0.23', 'scikit-image>=0.22', 'scikit-learn>=1.3'],
    'visualization': ['matplotlib>=3.7', 'rich', 'scikit-image>=0.22', 'scikit-learn>=1.3'],
    'probing': ['scikit-learn>=1.3', 'scipy', 'networkx', 'matplotlib>=3.7'],
    'timm': ['timm>=1.0.9'],
    'export': ['onnx', 'onnxscript', 'onnxruntime'],
    'test': ['pytest', 'hypothesis', 'selenium', 'nbclient', 'ipykernel'],
}


class BuildPy(build_py):
    """Adds `fec_mm/.mim`, where OpenMMLab's `mim` looks for configs, tools and the index of models, to what is built.

    An editable install has none: there the folders of the checkout serve, and `mim` does not find them.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'fec_mm/.mim')
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for folder in ('configs', 'tools'):
            shutil.copytree(HERE / folder, target / folder, ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(HERE / 'model-index.yml', target)


setup(
    name='fec_mm',
    version=VERSION,
    description='FEC clustering backbones for mmpretrain, mmdet and mmseg',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.9',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['fec_mm', 'fec_mm.*']),
    package_data={'fec_mm': ['py.typed', 'visualization/explorer_page/*', 'device/recordings/*.json']},
    cmdclass={'build_py': BuildPy},
    python_requires='>=3.9',
    install_requires=['torch>=2.1', 'numpy>=1.24'],
    extras_require=EXTRAS,
)
