from glob import glob

from setuptools import find_packages, setup

package_name = 'vla_bringup'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'vla_bringup': ['config/*.xml', 'templates/*.html', 'templates/*.css']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', glob('launch/*.launch.py')),
        (f'share/{package_name}/config', glob('vla_bringup/config/*.xml')),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='VLA Suite maintainers',
    maintainer_email='maintainers@vla-suite.example',
    description='Launch files, configuration, supervisor and the command line of the VLA suite.',
    license='Apache-2.0',
    entry_points={'console_scripts': [
        'console_node = vla_bringup.console_node:main',
        'operator_node = vla_bringup.operator_node:main',
        'replay_live_node = vla_bringup.replay_live_node:main',
        'replay_node = vla_bringup.replay_node:main',
        'session_node = vla_bringup.session_node:main',
        'vla = vla_bringup.cli:main',
    ]},
)
