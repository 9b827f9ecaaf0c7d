"""Image files of odd colours and broken ones: served by one rule, or found before anything is trained."""

import numpy as np
import pytest
from datasets import refused, write_images
from folders import LOADERS, PLAIN, load, pictures
from PIL import Image

from harness.tasks.data.files import colours


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images")
    return tmp_path / "images"


def odd(path, how):
    """Replace a file by one of odd colours; return what must be served of it, [height, width, 3]."""
    ramp = np.linspace(0, 255, 40 * 40).reshape(40, 40).astype(np.uint8)
    grey = np.repeat(ramp[..., None], 3, 2)
    wide = ramp.astype(np.uint16) << 8
    image = {
        "16 bits": lambda: Image.fromarray(wide),
        "palette": lambda: Image.fromarray(ramp).convert("P"),
        "transparent": lambda: Image.fromarray(np.dstack([grey, 255 - ramp])),
        "grey and transparent": lambda: Image.fromarray(np.dstack([ramp, ramp])),
        "black and white": lambda: Image.fromarray(ramp).convert("1"),
    }[how]()
    image.save(path, "PNG", **({"transparency": bytes(range(256))} if how == "palette" else {}))
    return np.asarray(image.convert("RGB")) if how == "black and white" else grey


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("how", ["16 bits", "palette", "transparent", "grey and transparent", "black and white"])
@pytest.mark.filterwarnings("error")
def test_odd_colours_are_served_by_one_rule(folder, how, loader):
    path = folder / "val/n00000000/val_0.JPEG"
    expected = odd(path, how)
    assert np.array_equal(np.asarray(colours.decoded(str(path))), expected)
    served = pictures(load(folder, loader, **PLAIN).test)[0].permute(1, 2, 0).numpy()
    assert abs(served.mean() - expected[3:-3, 3:-3].mean()) < 6
    assert served.std() > 50


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_range_are_refused_before_training(folder, mode):
    path = folder / "train/n00000000/train_0.JPEG"
    Image.new(mode, (30, 30)).save(path, "TIFF")
    message = refused(lambda: load(folder))
    assert message == (
        f"cannot read the image {path}: its pixels (Pillow's mode {mode}) are numbers without a known range"
    )


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("how", ["empty", "half", "tail", "png half", "text", "link"])
def test_a_file_that_is_not_whole_is_found_before_training(folder, part, how):
    path = folder / part / "n00000001" / f"{part}_1.JPEG"
    whole = path.read_bytes()
    if how == "png half":
        Image.open(path).convert("RGB").save(path, "PNG")
        path.write_bytes(path.read_bytes()[:-500])
    elif how == "link":
        path.unlink()
        path.symlink_to(folder / "gone")
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "tail": whole[:-200], "text": b"no"}[how])
    message = refused(lambda: load(folder))
    assert str(path) in message
    assert "cannot" in message


def test_several_broken_files_are_counted_and_whole_ones_with_something_behind_pass(folder):
    for number in range(3):
        (folder / f"val/n00000001/val_{number}.JPEG").write_bytes(b"")
    assert "(and 2 more: sparsebench doctor data names them)" in refused(lambda: load(folder))
    write_images(folder.parent / "again")
    path = folder.parent / "again/val/n00000001/val_1.JPEG"
    path.write_bytes(path.read_bytes() + b"something")
    assert len(pictures(load(folder.parent / "again").test)) == 6
