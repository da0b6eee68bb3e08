"""The four tables A to D: colours, textures and where button, lever, drawer and door sit."""

from vla_sim.scenes.table_layout import TableDesign

_BLOCKS = {
    'red_block': (0.82, 0.12, 0.10, 1.0),
    'blue_block': (0.10, 0.25, 0.85, 1.0),
    'pink_block': (0.98, 0.50, 0.76, 1.0),
}
_LAMPS = {
    'stand': (0.25, 0.25, 0.27, 1.0),
    'led_off': (0.16, 0.26, 0.16, 1.0), 'led_on': (0.15, 1.0, 0.25, 1.0),
    'bulb_off': (0.42, 0.40, 0.34, 1.0), 'bulb_on': (1.0, 0.93, 0.25, 1.0),
}


def _palette(
    table: tuple, drawer: tuple, cabinet: tuple, door: tuple, metal: tuple, button: tuple
) -> dict[str, tuple[float, ...]]:
    dark = tuple(0.6 * c for c in table)
    shades = {
        'table': table, 'desk': dark, 'drawer': tuple(0.75 * c for c in drawer),
        'drawer_front': drawer, 'handle': metal, 'cabinet': cabinet,
        'cabinet_inside': tuple(0.7 * c for c in cabinet), 'door': door, 'door_handle': metal,
        'button_case': dark, 'button': button, 'switch_case': dark, 'switch': metal}
    return {**_BLOCKS, **_LAMPS, **{name: (*shade, 1.0) for name, shade in shades.items()}}


DESIGNS = (
    TableDesign(
        'table_a', drawer_y=0.07, cabinet_y=-0.03, button=(0.55, 0.335), switch=(0.52, -0.335),
        texture=1, palette=_palette(
            (0.72, 0.58, 0.42), (0.55, 0.36, 0.22), (0.60, 0.45, 0.30), (0.36, 0.44, 0.52),
            (0.86, 0.86, 0.88), (0.10, 0.55, 0.20))),
    TableDesign(
        'table_b', drawer_y=-0.07, cabinet_y=0.03, button=(0.54, -0.335), switch=(0.53, 0.335),
        texture=2, palette=_palette(
            (0.80, 0.80, 0.78), (0.42, 0.48, 0.55), (0.50, 0.56, 0.62), (0.78, 0.60, 0.30),
            (0.20, 0.20, 0.22), (0.15, 0.50, 0.60))),
    TableDesign(
        'table_c', drawer_y=0.0, cabinet_y=0.0, button=(0.58, 0.33), switch=(0.53, -0.33),
        texture=3, palette=_palette(
            (0.46, 0.52, 0.50), (0.70, 0.66, 0.58), (0.72, 0.68, 0.60), (0.48, 0.30, 0.26),
            (0.90, 0.80, 0.45), (0.95, 0.75, 0.05))),
    TableDesign(
        'table_d', drawer_y=0.03, cabinet_y=0.02, button=(0.56, -0.33), switch=(0.53, 0.33),
        texture=4, palette=_palette(
            (0.60, 0.62, 0.66), (0.62, 0.44, 0.26), (0.42, 0.40, 0.44), (0.66, 0.54, 0.38),
            (0.84, 0.84, 0.86), (0.30, 0.65, 0.35))),
)
