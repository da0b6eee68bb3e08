"""A picture in a terminal has the camera's colours, in the right places."""

import io

import numpy as np
from rich.console import Console
from vla_bringup.terminal_picture import Pictures


def shown(pictures: Pictures) -> str:
    screen = Console(file=io.StringIO(), force_terminal=True, color_system='truecolor', width=80)
    screen.print(pictures)
    return screen.file.getvalue()


def test_two_rows_of_pixels_are_one_line_of_cells() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2], image[2:] = (255, 0, 0), (0, 0, 255)
    pictures = Pictures(2)
    pictures.show('static', image)
    text = shown(pictures)
    assert text.count('▀') == 2
    assert '38;2;255;0;0' in text and '48;2;0;0;255' in text


def test_cameras_stand_side_by_side_whatever_their_shapes() -> None:
    pictures = Pictures(8)
    pictures.show('static', np.zeros((96, 96, 3), np.uint8))
    pictures.show('wrist', np.zeros((48, 96, 3), np.uint8))
    lines = [line for line in shown(pictures).split('\n') if line]
    assert [line.count('▀') for line in lines] == [16, 16, 8, 8]


def test_nothing_is_shown_before_the_first_picture() -> None:
    assert shown(Pictures(8)).strip() == ''
