"""The only ROS part of the core: conversions, QoS, parameters, lifecycle, lockstep."""
