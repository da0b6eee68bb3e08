"""Measures of CALVIN's table as we build it: lengths in metres, in the robot's base frame."""

TOP = 0.12  # height of the table top
EDGE_X = 0.50  # front edge of the table top
DRAWER_TRAVEL = 0.15
DRAWER_FLOOR = 0.035  # height of the surface inside the drawer
DRAWER_FRONT_X = 0.495  # outer face of the closed drawer
DRAWER_DEPTH = 0.14  # inside, along x
DRAWER_WIDTH = 0.20  # inside, along y
DRAWER_HANDLE = (-0.030, 0.105)  # x from the front face, height: where a gripper takes it
DOOR_TRAVEL = 0.20
SHELF = 0.13  # height of the cabinet's floor
CABINET_X = (0.665, 0.795)  # inside
CABINET_HALF = 0.20  # inside, along y; the middle is between the two halves
WALL_TOP = 0.185
HOOD = (0.191, 0.197)  # height of the hood's lower and upper face
DOOR_HANDLE = (0.73, 0.225)  # x, height: where a gripper takes the fin on the hood
BUTTON_TRAVEL = 0.018
BUTTON_TOP = 0.036  # of the unpressed button, above the table top
SWITCH_TRAVEL = 0.07
SWITCH_TOP = 0.062  # of the lever's post, above the table top
SWITCH_ON = 0.5  # of the travel: from here on the bulb burns
BLOCKS = {  # name -> size along its own x, y, z [m]
    'red_block': (0.07, 0.05, 0.05),
    'blue_block': (0.05, 0.05, 0.05),
    'pink_block': (0.10, 0.05, 0.05),
}
