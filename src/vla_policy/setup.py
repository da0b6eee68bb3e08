from setuptools import find_packages, setup

package_name = 'vla_policy'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'vla_policy': ['checkpoints/**/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='VLA Suite maintainers',
    maintainer_email='maintainers@vla-suite.example',
    description='Policies: the small VLA model, its checkpoints and its inference.',
    license='Apache-2.0',
    entry_points={'console_scripts': [
        'policy_node = vla_policy.policy_node:main',
    ]},
)
