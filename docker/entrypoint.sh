#!/usr/bin/env bash
# Source ROS and the built workspace, then become the command.
set -e
cd /home/vla/suite
source /opt/ros/jazzy/setup.bash
exec ./vla exec "$@"
