from setuptools import find_packages, setup

package_name = 'vla_training'

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
    description='Training loops and evaluation of policies.',
    license='Apache-2.0',
)
