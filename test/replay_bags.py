"""Bags for the tests of replay: the one of the repository, and what becomes of it when changed."""

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
import struct

import numpy as np
from vla_recorder.bag.file import BagFile
from vla_recorder.bag.folder import Bag
from vla_recorder.bag.message import channel_metadata
from vla_recorder.bag.out import HEADER, OPENING
from vla_recorder.bag.types import decode, standard_types

BAG = Path(__file__).parent / 'bags' / 'red_block'
GOLDEN = BAG.with_name('red_block.golden.npz')
TF = 'tf2_msgs/msg/TFMessage'
IMAGE = 'sensor_msgs/msg/Image'
Said = tuple[str, int, bytes]  # topic, log time [ns], CDR


def rewritten(
    folder: Path, change: Callable[[list[Said]], Iterable[Said]], *,
    rename: Callable[[str], str] = lambda topic: topic, header: bool = True,
) -> Path:
    """Return a bag like the repository's with its messages changed."""
    with closing(Bag(BAG / 'episode_000000')) as bag:
        names = [name for name in bag.topics if header or name not in (HEADER, OPENING)]
        said = [(m.topic, m.log_ns, bytes(m.data)) for m in bag.messages(names)]
        folder.mkdir(parents=True)
        with (folder / f'{folder.name}_0.mcap').open('wb', buffering=0) as file:
            out = BagFile(file)
            channels: dict[str, int] = {}
            for topic, log_ns, data in change(said):
                if topic not in channels:
                    known = bag.topics[topic]
                    channels[topic] = out.channel(
                        rename(topic), known.type_name, known.definition,
                        channel_metadata(known.type_name, ()))
                out.add(channels[topic], log_ns, data)
            out.finish()
    return folder


def without(topic: str) -> Callable[[list[Said]], Iterable[Said]]:
    return lambda said: [message for message in said if message[0] != topic]


def pictures_late(said: list[Said]) -> Iterable[Said]:
    """Give each frame of the wrist camera the pixels of the frame before."""
    pixels = None
    for topic, log_ns, data in said:
        if topic == '/wrist/image':
            message = decode(standard_types(), data, IMAGE)
            pixels, now = message.data if pixels is None else pixels, message.data
            message.data, pixels = pixels, now
            data = bytes(standard_types().serialize_cdr(message, IMAGE))
        yield topic, log_ns, data


def frames_moved(metres: float) -> Callable[[list[Said]], Iterable[Said]]:
    """Move the first link of the arm in the base, and so the tool, along x."""
    def change(said: list[Said]) -> Iterable[Said]:
        for topic, log_ns, data in said:
            if topic == '/tf':
                message = decode(standard_types(), data, TF)
                message.transforms[0].transform.translation.x += metres
                data = bytes(standard_types().serialize_cdr(message, TF))
            yield topic, log_ns, data
    return change


def stamps_back(topic: str, number: int) -> Callable[[list[Said]], Iterable[Said]]:
    """Set the stamp of one message of a topic back to zero."""
    def change(said: list[Said]) -> Iterable[Said]:
        count = 0
        for name, log_ns, data in said:
            if name == topic:
                if count == number:
                    data = data[:4] + struct.pack('<iI', 0, 1) + data[12:]
                count += 1
            yield name, log_ns, data
    return change


def out_of_step(said: list[Said]) -> Iterable[Said]:
    """Stamp joints 3 ms and the wrist camera 7 ms later: as streams without a common trigger."""
    for topic, log_ns, data in said:
        late_ns = {'/joint_states': 3_000_000, '/wrist/image': 7_000_000}.get(topic)
        if late_ns is not None:
            stamp = struct.pack('<iI', *divmod(stamp_in(data) + late_ns, 10**9))
            data = data[:4] + stamp + data[12:]
        yield topic, log_ns, data


def stamp_in(data: bytes) -> int:
    seconds, nanoseconds = struct.unpack_from('<iI', data, 4)
    return seconds * 10**9 + nanoseconds


def scaled_checkpoint(folder: Path, matrix: str, factor: float) -> Path:
    """Return a copy of the default policy with one weight matrix scaled."""
    import shutil

    from safetensors.numpy import load_file, save_file
    from vla_policy.shipped import DEFAULT

    shutil.copytree(DEFAULT, folder)
    weights = load_file(folder / 'model.safetensors')
    weights[matrix] = (weights[matrix] * np.float32(factor)).astype(np.float32)
    save_file(weights, folder / 'model.safetensors')
    return folder


