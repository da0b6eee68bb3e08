"""features.json of a TFDS folder: what each value of an episode is, as TFDS writes it.

A feature is named by its path, `steps/observation/image_static`. `steps` is the one Dataset;
what lies below another sequence, and kinds that are not listed here, are passed over when a
folder is read. The older forms of the file, with `type` and `content`, are understood too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json

STEPS = 'steps/'
_CLASS = 'tensorflow_datasets.core.features.'
_CLASSES = {
    'tensor': 'tensor_feature.Tensor', 'image': 'image_feature.Image',
    'text': 'text_feature.Text'}
_CONTENTS = {  # field of the JSON by the last part of the class, for the older forms
    'FeaturesDict': 'featuresDict', 'Dataset': 'sequence', 'Sequence': 'sequence',
    'Tensor': 'tensor', 'Scalar': 'tensor', 'Image': 'image', 'Text': 'text',
    'ClassLabel': 'classLabel'}


@dataclass(frozen=True)
class Feature:
    """One feature; of `steps` its shape is that of one step."""

    kind: str  # 'tensor', 'image' or 'text'
    dtype: str = 'string'  # NumPy's name, or 'string'
    shape: tuple[int | None, ...] = ()
    encoding: str = 'none'  # of a tensor: none, bytes, zlib; of an image: png, jpeg
    description: str = ''


def to_json(features: Mapping[str, Feature]) -> dict:
    """Return the content of features.json; `features` by path."""
    tree: dict = {}
    for path, feature in features.items():
        *parents, name = path.split('/')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = feature
    return _node_to_json(tree)


def from_json(node: dict) -> dict[str, Feature]:
    """Return the features by path; raise KeyError, TypeError or ValueError for another file."""
    return dict(_leaves(_modern(node), ''))


def _node_to_json(node: dict | Feature) -> dict:
    if isinstance(node, Feature):
        return _leaf_to_json(node)
    features = {}
    for name, child in sorted(node.items()):
        features[name] = _node_to_json(child)
        if name == 'steps':
            features[name] = {
                'pythonClassName': f'{_CLASS}dataset_feature.Dataset',
                'sequence': {'feature': features[name], 'length': '-1'}}
    return {'pythonClassName': f'{_CLASS}features_dict.FeaturesDict',
            'featuresDict': {'features': features}}


def _leaf_to_json(feature: Feature) -> dict:
    sizes = ['-1' if size is None else str(size) for size in feature.shape]
    content: dict = {'shape': {'dimensions': sizes} if sizes else {}, 'dtype': feature.dtype}
    if feature.kind == 'text':
        content = {}
    else:
        content['encodingFormat' if feature.kind == 'image' else 'encoding'] = feature.encoding
    leaf = {'pythonClassName': _CLASS + _CLASSES[feature.kind], feature.kind: content}
    return {**leaf, 'description': feature.description} if feature.description else leaf


def _leaves(node: dict, path: str) -> Iterator[tuple[str, Feature]]:
    node = _modern(node)
    if 'featuresDict' in node:
        for name, child in node['featuresDict'].get('features', {}).items():
            yield from _leaves(child, f'{path}/{name}'.lstrip('/'))
    elif 'sequence' in node and path == 'steps':
        yield from _leaves(node['sequence']['feature'], path)
    elif 'text' in node:
        yield path, Feature('text', description=str(node.get('description', '')))
    elif 'classLabel' in node:
        yield path, Feature('tensor', 'int64')
    for kind, encoding in (('tensor', 'encoding'), ('image', 'encodingFormat')):
        if kind in node:
            content = node[kind]
            default = 'none' if kind == 'tensor' else 'png'
            yield path, Feature(
                kind, str(content.get('dtype') or 'uint8'), _shape(content.get('shape')),
                str(content.get(encoding) or default).lower(), str(node.get('description', '')))


def _shape(value: object) -> tuple[int | None, ...]:
    sizes = value.get('dimensions', ()) if isinstance(value, dict) else value or ()
    numbers = (-1 if size is None else int(size) for size in sizes)
    return tuple(None if size < 0 else size for size in numbers)


def _modern(node: dict) -> dict:
    """Return a node in today's form."""
    if 'type' not in node:
        return node
    content = node['content']
    if isinstance(content, str):
        content = json.loads(content)
    field = _CONTENTS.get(node['type'].rpartition('.')[2], 'unknown')
    if field == 'featuresDict' and 'features' not in content:
        content = {'features': content}
    if 'encoding_format' in content:
        content = {**content, 'encodingFormat': content['encoding_format']}
    return {field: content}
