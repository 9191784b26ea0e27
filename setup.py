# Copyright 2026 vlm_misalign_ros maintainers
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Package description; the repository root is the ROS 2 package."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

package_name = 'vlm_misalign_ros'

setup(
    name=package_name,
    version='0.1.0',
    description='Measures how vision-language models misalign when the camera degrades.',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    # Domains that are reserved for documentation (RFC 2606), until the package is published.
    url='https://example.org/vlm_misalign_ros',
    project_urls={
        'Documentation': 'https://example.org/vlm_misalign_ros/docs',
        'Changelog': 'https://example.org/vlm_misalign_ros/CHANGELOG.md',
    },
    author='vlm_misalign_ros maintainers',
    author_email='vlm-misalign-ros@example.org',
    maintainer='vlm_misalign_ros maintainers',
    maintainer_email='vlm-misalign-ros@example.org',
    license='Apache-2.0',
    keywords=['ROS', 'vision-language model', 'robustness', 'hallucination', 'driving'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['vlm_misalign_ros*']),
    package_data={
        'vlm_misalign_ros': ['py.typed', 'miniatures/*/*', 'miniatures/*/*/*'],
        'vlm_misalign_ros.core.language': ['data/*', 'data/lexicon/*'],
        'vlm_misalign_ros.core.models': ['data/*.yaml', 'data/label_maps/*'],
        'vlm_misalign_ros.core.records': ['*.json'],
        'vlm_misalign_ros.core.report': ['*.jinja', 'sections/*'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/launch', glob('launch/*.launch.py')),
        ('share/' + package_name + '/config', glob('config/*')),
        # Where `ros2 run` and launch look; short names such as replay stay off PATH.
        ('lib/' + package_name, glob('resource/executables/*') + glob('rosbag_tools/*')),
    ],
    python_requires='>=3.10',
    install_requires=[
        'setuptools>=64',
        'numpy>=1.23.5',
        'opencv-python-headless>=4.6',
        'pillow>=9.1',
        'pandas>=1.5',
        'pyarrow>=12',
        'scipy>=1.10',
        'msgspec>=0.22',
        'PyYAML>=6',
        'tqdm>=4.64',
        'shtab>=1.6',
        'jinja2>=3.1',
        'markupsafe>=2.0',
        'torch>=2.7',
        'torchvision>=0.22',
        'transformers>=5.4',
        'tokenizers>=0.22.1',
        'open_clip_torch>=3.3',
        'timm>=1.0.30',
        'huggingface_hub>=1.3',
        'safetensors>=0.4.3',
        # The processor of SmolVLM, which config/evaluate.yaml names.
        'num2words>=0.5.10',
        'rosbags>=0.11',
        'mcap>=1.1',
        'zstandard>=0.20',
        'lz4>=4',
        'urllib3>=2',
    ],
    extras_require={
        # The docs site (`make docs`).
        'docs': ['sphinx>=7.4', 'furo>=2024.8', 'myst-parser>=4', 'sphinx-copybutton>=0.5.2'],
        # Models of the families onnx and torchscript, and what exports to ONNX.
        'onnx': ['onnx>=1.17', 'onnxruntime>=1.19', 'onnxscript>=0.5'],
        # A sweep on a Ray cluster (`sweep --engine ray`).
        'ray': ['ray>=2.40'],
        # What `export` gives a run to, and `view` shows it in.
        'mlflow': ['mlflow>=2.14'],
        'wandb': ['wandb>=0.19'],
        'rerun': ['rerun-sdk>=0.24'],
        # Real rclpy from the package index, for machines without a ROS 2 installation.
        'ros': [
            'ros-rclpy[fastrtps]>=9.1.2',
            'ros-sensor-msgs>=5.5.1',
            'ros-std-msgs>=5.5.1',
            'ros-std-srvs>=5.5.1',
            'ros-diagnostic-msgs>=5.5.1',
            'ros-rosgraph-msgs>=2.3.0',
            'ros-geometry-msgs>=5.5.1',
            'ros-visualization-msgs>=5.5.1',
        ],
        # `transformers serve`, to put a checkpoint behind a server of chat completions.
        'serving': ['transformers[serving]>=5.4'],
        'test': [
            'pytest>=7',
            'onnx>=1.17',
            'onnxruntime>=1.19',
            'onnxscript>=0.5',
            'pytest-timeout>=2.1',
            'hypothesis>=6.60',
            # What docs/data.md shows of it is tried.
            'duckdb>=1.0',
            'jsonschema>=4',
            # Reads the summaries that `check` writes.
            'markdown-it-py>=3',
            # Reads what `export` writes as COCO has it.
            'pycocotools>=2.0.7',
            'tomli>=2; python_version < "3.11"',
            'cityscapesScripts>=2.2',
            'import-linter>=2',
            'radon>=6',
            'ruff>=0.16',
            'mypy>=2',
            'pre-commit>=4',
            'types-PyYAML>=6',
            'types-tqdm>=4.66',
            'types-jsonschema>=4',
            'pandas-stubs>=2.3',
            # For the tests against a server that is none of ours.
            'transformers[serving]>=5.4',
        ],
    },
    zip_safe=False,
    entry_points={'console_scripts': ['vlm-misalign = vlm_misalign_ros.app.cli:main']},
)
