from setuptools import find_packages, setup

package_name = 'vla_sim'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'vla_sim': ['assets/*.obj']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='VLA Suite maintainers',
    maintainer_email='maintainers@vla-suite.example',
    description='A PyBullet table with tasks, experts and the ROS interface of a real arm.',
    license='Apache-2.0',
    entry_points={'console_scripts': [
        'sim_node = vla_sim.sim_node:main',
        'expert_node = vla_sim.expert_node:main',
    ]},
)
