"""Package description; the repository root is the ROS 2 package."""

from glob import glob

from setuptools import find_packages, setup

package_name = 'vlm_misalign_ros'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(include=['vlm_misalign_ros*']),
    package_data={
        'vlm_misalign_ros.core.report': ['*.jinja'],
        'vlm_misalign_ros.core.language': ['data/*'],
        'vlm_misalign_ros.core.records': ['*.json'],
        'vlm_misalign_ros': ['miniatures/*/*', 'miniatures/*/*/*'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/launch', glob('launch/*.launch.py')),
        ('share/' + package_name + '/config', glob('config/*')),
    ],
    python_requires='>=3.10',
    install_requires=[
        'setuptools',
        'numpy>=1.23',
        'opencv-python-headless>=4.6',
        'pandas>=1.5',
        'pyarrow>=12',
        'scipy>=1.9',
        'PyYAML>=6',
        'tqdm>=4.64',
        'jinja2>=3',
        'msgspec>=0.19',
        'plotly>=5.15',
        'torch>=2.1',
        'torchvision>=0.16',
        'transformers>=5',
        'open_clip_torch>=2.24',
        'safetensors>=0.4',
        'rosbags>=0.10',
        'mcap>=1.1',
        'zstandard>=0.20',
        'lz4>=4',
    ],
    extras_require={
        # Real rclpy from the package index, for machines without a ROS 2 installation.
        'ros': [
            'ros-rclpy[fastrtps]',
            'ros-sensor-msgs',
            'ros-std-msgs',
            'ros-std-srvs',
            'ros-diagnostic-msgs',
            'ros-rosgraph-msgs',
        ],
        'test': [
            'pytest',
            'pytest-timeout',
            'hypothesis',
            'jsonschema',
            'cityscapesScripts',
            'ruff',
            'mypy',
            'types-PyYAML',
            'types-tqdm',
            'pandas-stubs',
        ],
    },
    zip_safe=True,
    maintainer='vlm_misalign_ros maintainers',
    maintainer_email='maintainers@vlm-misalign-ros.org',
    description='Measures how vision-language models misalign when the camera degrades.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'vlm-misalign = vlm_misalign_ros.app.cli:main',
            'replay = vlm_misalign_ros.nodes.replay:main',
            'corruption = vlm_misalign_ros.nodes.corruption:main',
            'segmentation = vlm_misalign_ros.nodes.segmentation:main',
            'vlm = vlm_misalign_ros.nodes.vlm:main',
            'monitor = vlm_misalign_ros.nodes.monitor:main',
            'recorder = vlm_misalign_ros.nodes.recorder:main',
        ]
    },
)
