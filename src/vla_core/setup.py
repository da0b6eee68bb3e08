from setuptools import find_packages, setup

package_name = 'vla_core'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'vla_core': ['config/robots/*.yaml', 'config/robots/*.urdf']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='VLA Suite maintainers',
    maintainer_email='maintainers@vla-suite.example',
    description='Types, robot spec, geometry, control and ROS conversions of the VLA suite.',
    license='Apache-2.0',
)
