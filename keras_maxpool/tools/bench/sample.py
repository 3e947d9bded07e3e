"""Draws the cases of keras-maxpool bench --sample: half from networks that people run, half at random.

No TensorFlow, as in `cases`. The sizes of keras.applications are those of its models as they are built; the others
are of the papers, or of the networks as they are published.
"""

from collections.abc import Iterator
from math import ceil, exp, log, prod
from random import Random

from keras_maxpool.tools.bench.cases import Case

CENSUS = {
    # keras.applications: every max pooling layer that its models have
    "VGG": "224x224x64 2/2, 112x112x128 2/2, 56x56x256 2/2, 28x28x512 2/2, 14x14x512 2/2",
    "ResNet, DenseNet": "114x114x64 3/2",
    "ResNetV2": "56x56x256 1/2, 28x28x512 1/2, 14x14x1024 1/2",
    "InceptionV3": "147x147x64 3/2, 71x71x192 3/2, 35x35x288 3/2, 17x17x768 3/2",
    "InceptionResNetV2": "35x35x320 3/2, 17x17x1088 3/2",
    "Xception": "147x147x128 3/2 same, 74x74x256 3/2 same, 37x37x728 3/2 same, 19x19x1024 3/2 same",
    "NASNetLarge": "167x167x42 3/2, 85x85x84 3/2, 43x43x336 3/2, 23x23x672 3/2",
    "NASNetMobile": "113x113x11 3/2, 57x57x22 3/2, 29x29x88 3/2, 15x15x176 3/2",
    # images
    "MNIST CNN": "26x26x32 2/2, 11x11x64 2/2",
    "LeNet": "28x28x6 2/2, 10x10x16 2/2",
    "AlexNet": "55x55x96 3/2, 27x27x256 3/2, 13x13x256 3/2",
    "GoogLeNet": "112x112x64 3/2 same, 56x56x192 3/2 same, 28x28x480 3/2 same, 14x14x832 3/2 same, 28x28x192 3/1 same, "
    "28x28x256 3/1 same, 14x14x512 3/1 same, 7x7x832 3/1 same",
    "SqueezeNet": "111x111x96 3/2, 54x54x256 3/2, 27x27x512 3/2",
    # detection and segmentation
    "SSD300": "300x300x64 2/2, 150x150x128 2/2, 75x75x256 2/2 same, 38x38x512 2/2, 19x19x512 3/1 same",
    "YOLOv3-SPP": "13x13x512 5/1 same, 13x13x512 9/1 same, 13x13x512 13/1 same",
    "YOLOv5 and v8": "20x20x128 5/1 same, 20x20x256 5/1 same, 20x20x512 5/1 same",
    "YOLOv4-P": "38x38x512 5/1 same, 38x38x512 9/1 same, 38x38x512 13/1 same",
    "YOLO-tiny": "416x416x16 2/2, 208x208x32 2/2, 104x104x64 2/2, 52x52x128 2/2, 26x26x256 2/2, 13x13x512 2/1 same",
    "Faster R-CNN, FPN": "400x672x64 3/2 same, 25x42x256 1/2",
    "CenterNet": "128x128x80 3/1 same",
    "U-Net": "568x568x64 2/2, 280x280x128 2/2, 136x136x256 2/2, 64x64x512 2/2",
    "U-Net, 256": "256x256x32 2/2, 128x128x64 2/2, 64x64x128 2/2, 32x32x256 2/2",
    "SegNet": "360x480x64 2/2, 180x240x128 2/2, 90x120x256 2/2, 45x60x512 2/2",
    # sound and other series
    "M5": "1981x128 4/4, 493x128 4/4, 121x256 4/4, 28x512 4/4",
    "SampleCNN": "19683x128 3/3, 6561x128 3/3, 2187x256 3/3, 729x256 3/3, 243x256 3/3, 81x256 3/3, 27x256 3/3",
    "VGGish": "96x64x64 2/2, 48x32x128 2/2, 24x16x256 2/2, 12x8x512 2/2",
    "CREPE": "256x1024 2/2, 128x128 2/2, 64x128 2/2, 32x128 2/2, 16x256 2/2, 8x512 2/2",
    "ECG": "256x64 2/2, 128x128 2/2, 5000x12 3/1 same, 180x32 5/2",
    # text
    "character CNN": "1008x256 3/3, 330x256 3/3, 102x256 3/3",
    "VDCNN": "1024x64 3/2 same, 512x128 3/2 same, 256x256 3/2 same",
    "news CNN": "996x128 5/5, 195x128 5/5, 35x128 35/35",
    # volumes and video
    "C3D": "16x56x56x128 2/2, 8x28x28x256 2/2, 4x14x14x512 2/2",
    "I3D": "32x28x28x192 3/1 same, 32x28x28x480 3/2 same, 16x14x14x512 3/1 same, 16x14x14x832 2/2 same, "
    "8x7x7x832 3/1 same",
    "3D U-Net": "128x128x112x64 2/2, 60x60x52x128 2/2, 26x26x22x256 2/2",
    "CT scans": "126x126x62x64 2/2, 61x61x29x64 2/2, 28x28x12x128 2/2, 12x12x4x256 2/2",
    "VoxNet": "12x12x12x32 2/2",
}  # fmt: skip
"""Max pooling layers of real networks, by network: the input's sizes and channels, window/stride, "same" or "valid"."""

BATCHES = (1, 8, 32)
LARGEST = 2**25
"""The most elements of an input from the census; larger batches of it are left out."""

FEWEST, MOST = 2e4, 2e7
"""Elements of an input that is drawn at random, but for some tiny ones."""

STEPS = 2**31
"""The most elements that the windows of a drawn case hold together, so that a call takes seconds at most."""


def draw(count: int, seed: int) -> list[Case]:
    """Returns `count` cases, no two equal: the first half from `CENSUS`, as far as it goes, the others at random."""
    numbers, known = Random(seed), list(census())
    drawn = dict.fromkeys(numbers.sample(known, min(count // 2, len(known))))
    while len(drawn) < count:
        drawn |= dict.fromkeys(_at_random(numbers))
    return list(drawn)


def census() -> Iterator[Case]:
    """Yields each layer of `CENSUS` at each of the `BATCHES` that is not too large."""
    for layers in CENSUS.values():
        for layer in layers.split(", "):
            sizes, window, *same = layer.split()
            shape = tuple(map(int, sizes.split("x")))
            pool, strides = map(int, window.split("/"))
            for batch in BATCHES:
                if batch * prod(shape) <= LARGEST:
                    yield Case((batch, *shape), pool, strides, same[0] if same else "valid")


def _at_random(numbers: Random) -> list[Case]:
    """Returns one case, or none where the windows do not fit or the work is too much."""
    rank = numbers.randint(1, 3)
    channels = round(_logarithmic(numbers, 1, 512))
    pool = numbers.randint(13, 63) if numbers.random() < 0.1 else numbers.randint(2, 9)
    tiny = numbers.random() < 0.15
    elements = _logarithmic(numbers, *((64, FEWEST) if tiny else (FEWEST, MOST)))
    batch = min(round(_logarithmic(numbers, 1, 64)), ceil(elements / channels))
    length = (elements / channels / batch) ** (1 / rank)
    # Twice as long as wide at most.
    sizes = [ceil(length * _logarithmic(numbers, 0.7, 1.4)) for _ in range(rank)]
    case = Case(
        (batch, *sizes, channels),
        pool,
        numbers.choice((1, 2, pool)),
        numbers.choice(("valid", "same")),
        data_format="channels_first" if numbers.random() < 0.25 else "channels_last",
    )
    fits = min(sizes) >= pool and prod(case.output_shape) * pool**rank <= STEPS
    return [case] if fits else []


def _logarithmic(numbers: Random, least: float, most: float) -> float:
    """Draws from `least` to `most`, each factor as often as any other."""
    return exp(numbers.uniform(log(least), log(most)))
