from setuptools import find_packages, setup

package_name = 'vla_control'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='VLA Suite maintainers',
    maintainer_email='maintainers@vla-suite.example',
    description='Teleoperation, and the control node: mux, guard and chunk executor.',
    license='Apache-2.0',
    entry_points={'console_scripts': [
        'control_node = vla_control.control_node:main',
        'joystick_node = vla_control.joystick_node:main',
        'teleop_node = vla_control.teleop_node:main',
    ]},
)
